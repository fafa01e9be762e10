# SPDX-License-Identifier: Apache-2.0
"""Finds, downloads and unpacks the newest Debian kernel of each series of the matrix.

The packages are unpacked, never installed, and the machine's own apt setup is left alone: apt runs
with a configuration, package lists and a cache of its own below .lab/apt.
"""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import built_kernel
import modules
from errors import LabError, Unavailable

# Series, and the suites in which Debian carries it. Suites of the security archive are used where
# reachable.
MATRIX = {
    "5.10": ["bullseye", "bullseye-security"],
    "6.1": ["bookworm", "bookworm-security"],
    "6.12": ["bookworm-backports", "bookworm-security"],
    "6.18": ["trixie-backports"],
    "7.3": ["trixie-backports"],
}
# Not of the matrix: Debian's source with iommufd, built here (built_kernel.py).
IOMMUFD = "iommufd"
LISTS_SECONDS = 6 * 3600
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# What a guest inserts, in this order, each after what it depends on. Two are inserted later: e1000e
# is the host driver that takes a device back, pci-pf-stub switches virtual functions on.
WANTED = [
    "virtio_pci",
    "virtio_blk",
    "irqbypass",
    "vfio",
    "vfio_iommu_type1",
    "vfio_virqfd",
    "vfio-pci-core",
    "vfio-pci",
]
LATE = ["e1000e", "pci-pf-stub"]


@dataclass
class Kernel:
    series: str
    release: str  # uname -r
    package: str  # name and version, for provenance
    vmlinuz: Path
    modules: list  # paths of plain .ko files, in the order of insertion
    late: list  # the same, for the drivers inserted once vfio-pci holds the devices
    has_disks: bool = True  # virtio's; without, results leave the guest by a serial line


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, capture_output=True, **options).stdout


def version_key(text):
    """Sorts 5.10.0-32 after 5.10.0-9 and 6.12.95+deb12 after 6.12.94."""
    return [int(n) for n in re.findall(r"\d+", text)]


class PrivateApt:
    """apt-get and apt-cache with state below one directory."""

    def __init__(self, root):
        self.root = root
        for directory in ("lists/partial", "cache/archives/partial", "state"):
            (root / directory).mkdir(parents=True, exist_ok=True)
        (root / "state/status").touch()
        (root / "sources.list").write_text("".join(self.sources()))
        config = root / "apt.conf"
        config.write_text(
            f'Dir::Etc::sourcelist "{root}/sources.list";\nDir::Etc::sourceparts "-";\n'
            f'Dir::State "{root}/state";\nDir::State::lists "{root}/lists";\n'
            f'Dir::State::status "{root}/state/status";\nDir::Cache "{root}/cache";\n'
            'Acquire::Check-Valid-Until "false";\nAcquire::Languages "none";\nAPT::Architecture "amd64";\n'
            'APT::Sandbox::User "root";\n'
        )
        self.environment = dict(os.environ, APT_CONFIG=str(config), LC_ALL="C")

    @staticmethod
    def sources():
        main, security = archive_uris()
        suites = sorted({suite for suites in MATRIX.values() for suite in suites})
        for suite in suites:
            uri = security if suite.endswith("-security") else main
            if uri:
                yield f"deb [signed-by={KEYRING}] {uri} {suite} main\n"

    def update(self):
        """Reads the package lists again if they are older than a few hours or for other suites.

        A suite that cannot be reached is no error here; a kernel that is then missing is reported by
        name.
        """
        stamp, wanted = self.root / "updated", "".join(self.sources())
        fresh = stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_SECONDS and stamp.read_text() == wanted
        if (
            not fresh
            and subprocess.run(["apt-get", "update", "-qq"], env=self.environment, capture_output=True).returncode == 0
        ):
            stamp.write_text(wanted)

    def names(self, prefix):
        return run("apt-cache", "pkgnames", prefix, env=self.environment).split()

    def version(self, package):
        shown = run("apt-cache", "show", "--no-all-versions", package, env=self.environment)
        return re.search(r"^Version: (.*)$", shown, re.M).group(1)

    def download(self, package, directory, architecture="amd64"):
        """The path of the package file, downloaded unless it is there."""
        wanted = f"{package}_{self.version(package).replace(':', '%3a')}_{architecture}.deb"
        if not (directory / wanted).exists():
            directory.mkdir(parents=True, exist_ok=True)
            run("apt-get", "download", "-qq", package, env=self.environment, cwd=directory)
        return directory / wanted


def archive_uris():
    """The Debian archive and its security archive, as the machine's own apt knows them."""
    lines = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
    uris = [line.rstrip("/") for line in lines]
    main = next((uri for uri in uris if uri.endswith("/debian")), None)
    security = next((uri for uri in uris if uri.endswith("debian-security")), None)
    if main is None:
        raise LabError("no Debian archive in the machine's apt configuration: add one and run apt-get update")
    return main, security


def candidates(apt, series):
    """Package sets that may hold a bootable kernel of the series, newest release first."""
    number = re.escape(series)
    found = []
    for name in apt.names(f"linux-image-{series}.") + apt.names(f"linux-binary-{series}."):
        match = re.fullmatch(rf"linux-(image|binary)-({number}\.[0-9][^-]*(?:-[0-9.]+)?-amd64)(-unsigned)?", name)
        if not match:
            continue  # cloud and rt flavours, debug symbols
        kind, release, unsigned = match.groups()
        packages = [name] if kind == "image" else [name, f"linux-modules-{release}"]
        # From 7.2 linux-image depends on linux-binary, which has the kernel; before, an image is
        # complete.
        found.append((version_key(release.removesuffix("-amd64")), kind == "binary", not unsigned, release, packages))
    return [(release, packages) for *_, release, packages in sorted(found, reverse=True)]


def unpack(apt, lab, release, packages):
    """Unpacks into .lab/kernels/RELEASE what a guest needs of it: (vmlinuz, all modules' directory)
    or None.
    """
    scratch = lab / "unpack" / release
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for package in packages:
        run("dpkg-deb", "-x", str(apt.download(package, lab / "debs")), str(scratch))
    images = [p for p in scratch.rglob("vmlinuz*") if p.is_file()]
    trees = [p for p in scratch.glob("**/lib/modules/" + release) if (p / "kernel").is_dir()]
    return (images[0], trees[0], scratch) if images and trees else None


def prepare(apt, lab, series):
    """The newest kernel of a series, ready to boot."""
    for release, packages in candidates(apt, series):
        target = lab / "kernels" / release
        stamp = target / "package"
        source = f"{packages[0]} {apt.version(packages[0])}"
        wanted = f"{source}\n{' '.join(WANTED + LATE)}\n"
        if not (stamp.exists() and stamp.read_text() == wanted):
            try:
                found = unpack(apt, lab, release, packages)
            except subprocess.CalledProcessError as failure:  # in the lists, but no longer on the mirror
                print(f"lab: Linux {release} is not available: {' '.join(failure.stderr.split())}", flush=True)
                continue
            if found is None:
                continue
            image, tree, scratch = found
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            shutil.copy(image, target / "vmlinuz")
            modules.collect(tree, target, {"order": WANTED, "late": LATE})
            shutil.rmtree(scratch)
            stamp.write_text(wanted)
        listed = {kind: [target / n for n in (target / kind).read_text().split()] for kind in ("order", "late")}
        return Kernel(series, release, source, target / "vmlinuz", listed["order"], listed["late"])
    raise Unavailable(f"Linux {series}: no kernel package in {', '.join(MATRIX[series])}")


def prepare_built(apt, lab):
    """The kernel with iommufd, which no Debian kernel has: built, or built before."""
    directory = built_kernel.directory(apt, lab)
    target = lab / "kernels" / directory.name
    if not (target / "late").exists():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        modules.collect(directory, target, {"order": WANTED, "late": LATE})
    listed = {kind: [target / n for n in (target / kind).read_text().split()] for kind in ("order", "late")}
    release, package = (directory / "release").read_text().splitlines()
    return Kernel(IOMMUFD, release, package, directory / "vmlinuz", listed["order"], listed["late"], has_disks=False)


def prepare_all(lab, wanted):
    """The kernels that are available, a sentence for each that is not, and one for each that could
    not be built.
    """
    apt = PrivateApt(lab / "apt")
    apt.update()
    kernels, problems, failures = [], [], []
    for series in wanted:
        try:
            kernels.append(prepare_built(apt, lab) if series == IOMMUFD else prepare(apt, lab, series))
        except Unavailable as problem:
            problems.append(str(problem))
        except (LabError, OSError) as problem:
            (failures if series == IOMMUFD else problems).append(f"Linux {series}: {problem}")
        except subprocess.CalledProcessError as failure:
            problems.append(f"Linux {series}: {failure.cmd[0]} failed: {' '.join(failure.stderr.split())}")
    return kernels, problems, failures
