# SPDX-License-Identifier: Apache-2.0
"""Extracts kernel modules from an unpacked package as plain .ko files, and finds the order in which to
insert them.

The packages carry no modules.dep (depmod writes it on installation), so the dependencies are read
from the `depends=` entry of each module's .modinfo section.
"""

import lzma
import re
import subprocess


def plain(path):
    """The ELF bytes of a module, whatever it is compressed with."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", str(path)], check=True, capture_output=True).stdout
    return path.read_bytes()


def canonical(name):
    """Module names treat - and _ alike."""
    return name.replace("-", "_")


def collect(tree, target, lists):
    """Copies the modules of each list and all they depend on to `target`, and writes each list's
    order to a file.

    A name that the kernel has built in, or does not know, is left out: vfio_virqfd, for one, went
    away in 6.4.
    """
    files = {canonical(p.name.split(".ko")[0]): p for p in tree.rglob("*.ko*")}
    done = {}

    def visit(name, order):
        name = canonical(name)
        if name in done or name not in files:
            return
        done[name] = True
        image = plain(files[name])
        depends = re.search(rb"\0depends=([^\0]*)\0", image)
        for other in depends.group(1).decode().split(",") if depends else []:
            if other:
                visit(other, order)
        (target / f"{name}.ko").write_bytes(image)
        order.append(f"{name}.ko")

    for kind, names in lists.items():
        order = []
        for name in names:
            visit(name, order)
        (target / kind).write_text("\n".join(order) + "\n")
