# SPDX-License-Identifier: Apache-2.0
"""Packs real clients of VFIO, as Debian ships them, for a guest to run: QEMU, and DPDK's testpmd
with the driver of the lab's network card.
"""

import os
import re
import subprocess
import tarfile
from pathlib import Path

PROGRAMS = ["/usr/bin/qemu-system-x86_64", "/usr/bin/dpdk-testpmd"]
# DPDK loads its drivers from a directory, each with a version in its name.
DRIVERS = ["librte_bus_pci", "librte_bus_vdev", "librte_mempool_ring", "librte_net_e1000"]
FIRMWARE = [
    "/usr/share/seabios/bios-256k.bin",
    "/usr/share/seabios/bios.bin",
    "/usr/share/qemu/kvmvapic.bin",
    "/usr/share/qemu/linuxboot_dma.bin",
]


def libraries(program):
    """Every shared library that a program or library is linked with, the loader too."""
    listed = subprocess.run(["ldd", str(program)], check=True, text=True, capture_output=True).stdout
    return re.findall(r"(/\S+) \(0x", listed)


def build(lab):
    """A tar archive of the programs and what they need, made when it is not there or older than
    they are; None where they are not installed.
    """
    programs = [Path(name) for name in PROGRAMS]
    drivers = [path for name in DRIVERS for path in sorted(Path("/usr/lib").glob(f"*/dpdk/pmds-*/{name}.so.*"))]
    # QEMU loads its emulation from a module.
    drivers += sorted(Path("/usr/lib").glob("*/qemu/accel-tcg-x86_64.so"))
    if not all(path.exists() for path in programs) or not drivers:
        return None
    return pack(lab / "clients.tar", [*programs, *drivers])


def pack(archive, binaries):
    """The same for any programs and libraries."""
    if archive.exists() and archive.stat().st_mtime > max(path.stat().st_mtime for path in [*binaries, Path(__file__)]):
        return archive
    wanted = {str(path) for path in binaries} | {name for name in FIRMWARE if Path(name).exists()}
    for path in binaries:
        wanted.update(libraries(path))
    with tarfile.open(archive, "w") as tar:
        for name in sorted({step for library in wanted for step in links(library)}):
            tar.add(name, name.lstrip("/"), recursive=False)
    return archive


def links(name):
    """A path and every symbolic link on the way to the file, unresolved, so that a library under two
    names stays one library.
    """
    path, steps = Path("/"), []
    for part in Path(name).parts[1:]:
        path /= part
        if path.is_symlink():
            steps.append(str(path))
            target = path.parent / path.readlink()
            return steps + links(os.path.normpath(target / Path(name).relative_to(path)))
    return [*steps, str(path)]
