# SPDX-License-Identifier: Apache-2.0
"""Writes the guest's initramfs: an uncompressed cpio archive in the `newc` format."""

import stat
import subprocess

BUSYBOX = "/bin/busybox"


class Cpio:
    def __init__(self):
        self.parts = []
        self.inode = 0
        self.directories = set()

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self.inode += 1
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        for part in (head, data):
            self.parts.append(part + b"\0" * (-len(part) % 4))

    def directory(self, path):
        if path and path not in self.directories:
            self.directories.add(path)
            self.directory(path.rpartition("/")[0])
            self._entry(path, stat.S_IFDIR | 0o755)

    def file(self, path, data, mode=0o644):
        self.directory(path.rpartition("/")[0])
        self._entry(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        self.directory(path.rpartition("/")[0])
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, major, minor):
        self.directory(path.rpartition("/")[0])
        self._entry(path, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def write(self, path):
        self._entry("TRAILER!!!", 0)
        path.write_bytes(b"".join(self.parts))


def build(path, kernel, here, workload, planned, tool=None, extra=()):
    """Everything that a planned guest needs, below one path."""
    archive = Cpio()
    for name in ("proc", "sys", "dev", "out", "tmp"):
        archive.directory(name)
    archive.device("dev/console", 5, 1)
    archive.file("bin/busybox", open(BUSYBOX, "rb").read(), 0o755)
    for applet in subprocess.run([BUSYBOX, "--list"], check=True, text=True, capture_output=True).stdout.split():
        if applet != "busybox":
            archive.link(f"bin/{applet}", "busybox")
    archive.file("init", (here / "guest/init").read_bytes(), 0o755)
    archive.file("etc/passwd", b"root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    archive.file("bin/workload", workload.read_bytes(), 0o755)
    if tool:
        archive.file("bin/vfioscope", tool.read_bytes(), 0o755)
    for kind, files in (("order", kernel.modules), ("late", kernel.late)):
        archive.file(f"modules/{kind}", "".join(f"{file.name}\n" for file in files).encode())
        for file in files:
            archive.file(f"modules/{file.name}", file.read_bytes())
    for name in ("functions", "batch", "commands", "random", "demo"):
        archive.file(f"lab/{name}", (here / "guest" / name).read_bytes(), 0o755)
    for name, lines in (
        ("apart", planned.apart),
        ("together", planned.together),
        ("random-runs", [run.line() for run in planned.runs]),
        ("steps", planned.steps),
        ("exec", [planned.command] if planned.command else []),
    ):
        if lines or name in ("apart", "steps") and lines is not None:
            archive.file(f"lab/{name}", "".join(f"{line}\n" for line in lines).encode())
    for file in extra:
        archive.file(f"extra/{file.name}", file.read_bytes(), file.stat().st_mode & 0o777)
    archive.write(path)
