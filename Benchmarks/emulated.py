"""One guest of the lab in which time is counted in instructions: QEMU's icount, one CPU, so that a
loaded machine changes nothing.
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

COUNTED = ["-smp", "1", "-icount", "shift=0,sleep=off"]  # a nanosecond an instruction, and idle time costs none


def compile_peers(target):
    """The programs that the guest runs beside the tool, static where they are ours."""
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
    """Boots the kernel with the peers in it and runs a shell command: the JSON objects that it
    printed, one a line.
    """
    [kernel], problems = kernels.prepare_all(LAB, [series])
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
        raise SystemExit(f"the guest brought no results: {directory}.failed.log")
    said = (directory / "out/exec.stdout").read_text(errors="replace")
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    if not rows or "drive:" in said:
        raise SystemExit(f"the guest did not measure all: {said[-2000:]}")
    return rows, kernel.release
