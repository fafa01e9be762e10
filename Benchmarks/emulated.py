# SPDX-License-Identifier: Apache-2.0
"""Runs a command in a guest of the lab whose clock counts instructions (QEMU's icount, one CPU), so
that load on the host does not change the figures.
"""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
LAB = ROOT / ".lab"
WORKLOAD = ROOT / "Tests/Lab/workload"
sys.path.insert(0, str(ROOT / "Tests/Lab"))
import clients
import guest
import guests
import initramfs
import kernels
import workload

# One instruction takes one nanosecond; idle time passes at once.
COUNTED = ["-smp", "1", "-icount", "shift=0,sleep=off"]


def compile_peers(target):
    """Compiles the peers that the guest runs beside the tool, linked statically."""
    target.mkdir(parents=True, exist_ok=True)
    peers = HERE / "peers"
    subprocess.run(
        [
            "clang",
            "-target",
            "bpf",
            "-mcpu=v3",
            "-g",
            "-O2",
            "-Wall",
            "-D__TARGET_ARCH_x86",
            "-I",
            ROOT / "bpf",
            "-I",
            ROOT / "Sources/CRecords/include",
            "-idirafter",
            "/usr/include/x86_64-linux-gnu",
            "-c",
            peers / "probe.bpf.c",
            "-o",
            target / "probe.bpf.o",
        ],
        check=True,
    )
    subprocess.run(
        ["gcc", "-static", "-O2", "-o", target / "probe", peers / "probe.c", "-lbpf", "-lelf", "-lz"], check=True
    )
    for name in ("drive", "fill"):
        subprocess.run(
            [
                "gcc",
                "-static",
                "-O1",
                "-I",
                WORKLOAD,
                "-o",
                target / name,
                peers / f"guest/{name}.c",
                *(WORKLOAD / f"{part}.c" for part in ("vfio", "devices", "oracle", "memory", "edu")),
            ],
            check=True,
        )
    return [target / name for name in ("probe", "probe.bpf.o", "drive", "fill")]


def run(
    command,
    series="6.12",
    tool=ROOT / ".build/release/vfioscope",
    include=(),
    memory=3072,
    timeout=900,
    out="bench",
    devices=(),
):
    """Boots the kernel with the peers in its initramfs and runs a shell command. Returns the JSON
    objects that the command printed, one on each line, and the kernel's release.
    """
    [kernel], problems, _ = kernels.prepare_all(LAB, [series])
    directory, image, disk = (
        LAB / out,
        LAB / f"initramfs-{out}.cpio",
        clients.pack(LAB / "bpftrace.tar", [pathlib.Path("/usr/bin/bpftrace")]),
    )
    extra = [*compile_peers(LAB / "peers"), *(HERE / "peers").glob("*.bt"), *include]
    script = "mkdir -p /client && cd / && tar xf /dev/vdb && " + command
    initramfs.build(
        image,
        kernel,
        ROOT / "Tests/Lab",
        workload.build(ROOT / "Tests/Lab", LAB),
        guests.Guest(series, directory, command=script),
        pathlib.Path(tool),
        extra,
    )
    try:
        seconds, _ = guest.run(kernel, image, directory, timeout, disk, machine=[*COUNTED, "-m", str(memory), *devices])
    finally:
        image.unlink(missing_ok=True)
    if seconds is None:
        raise SystemExit(f"the guest returned no results; its console is in {directory}.failed.log")
    output = (directory / "out/exec.stdout").read_text(errors="replace")
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    if not rows or "drive:" in output:
        raise SystemExit(f"the guest did not complete its measurements: {output[-2000:]}")
    return rows, kernel.release
