# SPDX-License-Identifier: Apache-2.0
"""Builds a small kernel with iommufd from Debian's source package, because no Debian kernel has it.

A build takes some ten minutes of CPU time, so its result (5 MB) is kept outside the clone, in
$XDG_CACHE_HOME/vfioscope-lab. The key is the configuration and this file, not the point release,
which Debian replaces every few weeks: remove the directory to build the newest.
"""

import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

from errors import LabError, Unavailable

SOURCE = "linux-source-7.3"
CONFIG = Path(__file__).resolve().parent / "iommufd.config"
TOOLS = {"flex": "flex", "bison": "bison", "bc": "bc", "pahole": "dwarves", "xz": "xz-utils"}


def directory(apt, lab):
    """Where the kernel is: `vmlinuz`, the modules, and `release` (uname -r, the package)."""
    key = hashlib.sha256(CONFIG.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "vfioscope-lab" / f"iommufd-{key}"
    if not (found / "release").exists():
        build(apt, lab, found)
    return found


def build(apt, lab, target):
    missing = sorted(package for tool, package in TOOLS.items() if shutil.which(tool) is None)
    if missing:
        raise LabError(f"the kernel with iommufd is not built: install {' '.join(missing)}")
    begun = time.monotonic()
    print("lab: building the kernel with iommufd, once: some ten minutes of CPU time", flush=True)
    scratch, tree = lab / "unpack/iommufd", lab / "unpack/iommufd" / SOURCE
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        package = apt.download(SOURCE, lab / "debs", "all")
    except (subprocess.CalledProcessError, AttributeError) as failure:
        raise Unavailable(f"{SOURCE} is not available, from which the kernel with iommufd is built") from failure
    run(scratch, "dpkg-deb", "-x", package, "deb")
    run(scratch, "tar", "xf", f"deb/usr/src/{SOURCE}.tar.xz")
    run(tree, "make", f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig")
    run(tree, "make", f"-j{os.cpu_count() or 1}", "bzImage", "modules")
    built = scratch / "built"
    built.mkdir()
    shutil.copy(tree / "arch/x86/boot/bzImage", built / "vmlinuz")
    for module in tree.rglob("*.ko"):
        run(tree, "strip", "--strip-debug", module)
        shutil.copy(module, built)
    release = (tree / "include/config/kernel.release").read_text().strip()
    (built / "release").write_text(f"{release}\n{SOURCE} {package.name.split('_')[1]}, iommufd.config\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(built, target)
    shutil.rmtree(scratch)
    print(f"lab: built in {(time.monotonic() - begun) / 60:.1f} min: {target.name}", flush=True)


def run(where, *command):
    """Runs one command of the build. What it printed is shown only if it fails."""
    command = [str(word) for word in command]
    done = subprocess.run(command, cwd=where, text=True, capture_output=True)
    if done.returncode:
        last = " / ".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise LabError(f"the kernel with iommufd is not built: {' '.join(command[:3])} failed: {last}")
