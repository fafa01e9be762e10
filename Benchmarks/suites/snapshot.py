# SPDX-License-Identifier: Apache-2.0
"""Compares a snapshot of ten full containers with a snapshot of one: time and memory must not grow
faster than the number of mappings. Runs in a guest whose clock counts instructions.
"""

import emulated
from measure import Goal, column, compare, count, summary

CONTAINERS, MAPPINGS = 10, 65_535
# Ten watchdog devices for vfio-pci, each in an IOMMU group of its own.
DEVICES = [word for slot in range(CONTAINERS) for word in ("-device", f"i6300esb,addr={0x10 + slot:#x}")]
SETUP = """for d in /sys/bus/pci/devices/*; do read -r v < $d/vendor; read -r p < $d/device
    [ $v$p = 0x80860x25ab ] || continue
    echo vfio-pci > $d/driver_override; basename $d > /sys/bus/pci/drivers_probe; done; """


def run(rounds):
    # At most three rounds: the result hardly varies, and a round takes long.
    rows, release = emulated.run(
        SETUP + f"/extra/fill {CONTAINERS} {MAPPINGS} {min(rounds, 3)}",
        devices=DEVICES,
        timeout=1800,
        out="bench-snapshot",
    )
    one, ten = ([row for row in rows if row["containers"] == number] for number in (1, CONTAINERS))
    for row in one + ten:
        if row["status"] or row["mappings"] != row["containers"] * MAPPINGS:
            raise SystemExit(f"a snapshot lacks mappings that the kernel has: {row}")
    # Both include what the tool needs before the first mapping.
    return [
        compare(
            Goal("S5", f"snapshot of {CONTAINERS} full containers / of one, seconds", ("<=", 10.5)),
            column(ten, "seconds"),
            column(one, "seconds"),
        ),
        compare(
            Goal("S5", f"snapshot of {CONTAINERS} full containers / of one, resident memory", ("<=", 10.5)),
            column(ten, "rss_kb"),
            column(one, "rss_kb"),
        ),
        count(
            Goal("S5", f"resident bytes a mapping that {CONTAINERS} containers take more than one", ("<=", 64)),
            1024
            * (summary(column(ten, "rss_kb"))["median"] - summary(column(one, "rss_kb"))["median"])
            / ((CONTAINERS - 1) * MAPPINGS),
        ),
        count(
            Goal(
                "S5",
                f"microseconds a mapping, {CONTAINERS} full containers, at one instruction a nanosecond",
                ("<=", 20),
            ),
            1e6 * summary(column(ten, "seconds"))["median"] / (CONTAINERS * MAPPINGS),
        ),
    ], rows
