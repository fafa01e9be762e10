# SPDX-License-Identifier: Apache-2.0
"""Boots one guest under QEMU's software emulation and fetches its results."""

import shutil
import subprocess
import tarfile
import threading
import time

RESULTS_BYTES = 1 << 30  # sparse

VARIANTS = {
    # A machine that does not remap interrupts, where VFIO refuses groups by default.
    "no-intremap": {"iommu": "intel-iommu,intremap=off,caching-mode=on", "scenarios": ["unsafe-interrupts"]},
    # An IOMMU whose page tables the tool cannot read. Later kernels find no interrupt remapping in
    # QEMU's.
    "amd": {"iommu": "amd-iommu,intremap=on", "scenarios": [], "steps": ["unknown-targets"], "kernels": ["6.1"]},
}

running = set()  # the emulators of this process, so that an interrupted lab leaves none behind

stopping = threading.Event()


def stop_all():
    stopping.set()
    for emulator in list(running):
        emulator.kill()


def command(kernel, initramfs, results, console, disk=None, variant=None, machine=("-smp", "2", "-m", "1536")):
    """Four devices, each behind a root port of its own, so that each is an IOMMU group of its own."""
    devices = ["ivshmem-plain,memdev=shared", "edu", "pci-testdev,membar=2M", "e1000e"]
    line = [
        "qemu-system-x86_64",
        "-M",
        "q35",
        "-accel",
        "tcg,thread=single",
        "-cpu",
        "max",
        *machine,
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-serial",
        f"file:{console}",
        "-device",
        VARIANTS[variant]["iommu"] if variant else "intel-iommu,intremap=on,caching-mode=on",
        "-object",
        "memory-backend-ram,id=shared,size=2M,share=on",
    ]
    for number, device in enumerate(devices, 1):
        line += [
            "-device",
            f"pcie-root-port,id=port{number},chassis={number},slot={number}",
            "-device",
            f"{device},bus=port{number}",
        ]
    # A card with a virtual function; its driver in the guest only switches that on and off.
    line += [
        "-device",
        "pcie-root-port,id=port5,chassis=5,slot=5",
        "-device",
        "nvme-subsys,id=subsystem",
        "-device",
        "nvme,bus=port5,serial=lab,subsys=subsystem,max_ioqpairs=4,msix_qsize=4,"
        "sriov_max_vfs=1,sriov_vq_flexible=2,sriov_vi_flexible=1",
    ]
    line += shared_group()
    line += (
        ["-drive", f"if=none,id=results,format=raw,file={results}", "-device", "virtio-blk-pci,drive=results"]
        if kernel.has_disks
        else ["-serial", f"file:{results}"]
    )
    line += [
        *(
            [
                "-drive",
                f"if=none,id=clients,format=raw,readonly=on,file={disk}",
                "-device",
                "virtio-blk-pci,drive=clients",
            ]
            if disk
            else []
        ),
        "-kernel",
        str(kernel.vmlinuz),
        "-initrd",
        str(initramfs),
        "-append",
        "console=ttyS0 intel_iommu=on panic=-1 quiet loglevel=3 random.trust_cpu=on "
        # On a busy host the boot's test of the timer counts too few interrupts and panics, though
        # nothing is wrong.
        "no_timer_check",
    ]
    return line


def shared_group():
    """Functions behind one conventional bridge, which form one group because the IOMMU cannot
    distinguish them. BAR 0 of each display is 4 MiB of RAM.
    """
    line = [
        "-device",
        "pcie-root-port,id=port9,chassis=9,slot=9",
        "-device",
        "pcie-pci-bridge,id=conventional,bus=port9",
    ]
    for slot in (1, 2, 3):
        line += ["-device", f"bochs-display,vgamem=4M,bus=conventional,addr={slot}"]
    return line + ["-device", "pci-serial,bus=conventional,addr=4"]


def boot(kernel, initramfs, directory, timeout, show=None, disk=None, variant=None, **options):
    """One try: the seconds it took, or None when no results came back. `show` is called with the
    console's output as it arrives.
    """
    results, console = directory / "results.tar", directory / "console.log"
    console.unlink(missing_ok=True)
    with open(results, "wb") as file:
        file.truncate(RESULTS_BYTES)
    begun = time.monotonic()
    with open(directory / "qemu.log", "w") as log:
        emulator = subprocess.Popen(
            command(kernel, initramfs, results, console, disk, variant, **options),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    running.add(emulator)
    try:
        if show:
            follow(emulator, console, begun + timeout, show)
        else:
            emulator.wait(timeout)
    except subprocess.TimeoutExpired:
        pass
    finally:
        emulator.kill()
        emulator.wait()
        running.discard(emulator)
    seconds = time.monotonic() - begun
    try:
        with tarfile.open(results, "r:") as archive:
            archive.extractall(directory / "out")
    except tarfile.TarError:
        return None
    finally:
        results.unlink()
    return seconds if (directory / "out/done").exists() else None


def follow(emulator, console, deadline, show):
    """Shows the console until the emulator ends or time is up."""
    shown = 0
    while True:
        ended = emulator.poll() is not None or time.monotonic() > deadline
        text = console.read_bytes()[shown:] if console.exists() else b""
        # Whole characters only: up to the last line end, or all when nothing follows any more.
        whole = text if ended else text[: text.rfind(b"\n") + 1]
        if whole:
            show(whole.decode(errors="replace").replace("\r", ""))
            shown += len(whole)
        if ended:
            return
        time.sleep(0.1)


def run(kernel, initramfs, directory, timeout, disk=None, variant=None, **options):
    """Boots, a second time if the first one fails: (seconds or None, tries).

    QEMU emulates both CPUs in one thread: with a thread each, a kernel that patches its own code
    (tracepoints, kprobes, fentry) now and then meets a stale int3 and panics in __schedule, and the
    scenarios take as long.
    """
    for attempt in (1, 2):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        seconds = boot(kernel, initramfs, directory, timeout, disk=disk, variant=variant, **options)
        if seconds is not None:
            return seconds, attempt
        if stopping.is_set():
            break
        log = "".join(
            (directory / name).read_text(errors="replace")
            for name in ("qemu.log", "console.log")
            if (directory / name).exists()
        )
        (directory.parent / f"{directory.name}.failed.log").write_text(log)
        last = [line for line in log.splitlines() if "Oops" in line or "panic" in line] or log.strip().splitlines()[-2:]
        print(
            f"lab: Linux {kernel.release}: try {attempt} brought no results (last words: {' / '.join(last)})",
            flush=True,
        )
    return None, 2
