# SPDX-License-Identifier: Apache-2.0
"""Measures the cost of a map in the kernel under vfioscope, under a hand-written probe and under
bpftrace, in one guest whose clock counts instructions.

K5 needs no peer. K6 (65,535 maps while the consumer is stopped) is a step of the lab, `full`.
"""

import emulated
from measure import Goal, compare, count, summary

SETUP = "echo 400 > /proc/sys/vm/nr_hugepages; echo 0 > /sys/kernel/tracing/instances/lab/events/iommu/enable; "
PEERS = "none vfioscope probe stream bpftrace"


def by_peer(rows, key):
    """One figure by peer, round by round."""
    figures = {}
    for row in rows:
        if key in row:
            figures.setdefault(row["peer"], []).append(row[key])
    return figures


def added(rows, key):
    """How much each peer adds to the figure of the untraced run, round by round."""
    taken = by_peer(rows, key)
    return {peer: [a - b for a, b in zip(values, taken["none"])] for peer, values in taken.items() if peer != "none"}


def run(rounds):
    rows, release = emulated.run(SETUP + f"/extra/drive {rounds} {PEERS}")
    small = added(rows, "map_4k")
    results = [
        compare(
            Goal("K1", "time added to a map: vfioscope / hand-written libbpf probe", ("<=", 1.10)),
            small["vfioscope"],
            small["probe"],
        ),
        compare(
            Goal("K2", "time added to a map: vfioscope / bpftrace, entry and return", ("<=", 0.35)),
            small["vfioscope"],
            small["bpftrace"],
        ),
    ]
    for size, name, bound in (
        ("4k", "4 KiB", 1.10),
        ("2m", "2 MiB", 1.03),
        ("large", f"{rows[0]['large'] >> 20} MiB of huge pages", 1.001),
    ):
        pair = {
            peer: [a + b for a, b in zip(maps, by_peer(rows, f"unmap_{size}")[peer])]
            for peer, maps in by_peer(rows, f"map_{size}").items()
        }
        results.append(
            compare(
                Goal("K3", f"map and unmap of {name}: vfioscope / untraced", ("<=", bound)),
                pair["vfioscope"],
                pair["none"],
            )
        )
    scattered = added(rows, "map_scattered")
    results.append(
        compare(
            Goal("K4", "time added to a map of 1,024 pages that lie apart: folded / a record each", ("<=", 0.25)),
            scattered["vfioscope"],
            scattered["stream"],
        )
    )
    storm = [row for row in rows if row["peer"] == "vfioscope"]
    events = 3 * 4096
    # Its timer wakes it as well, ten times a second: subtract those wake-ups by how long the storm
    # and the wait after it lasted.
    woken = [max(0, row["storm_wakeups"] - (row["storm"] + 0.5) * 11) * 1000 / events for row in storm]
    results.append(
        count(Goal("K5", "wake-ups by records, per 1,000 records of a storm", ("<=", 1)), summary(woken)["median"])
    )
    results.append(
        count(
            Goal("K5", "wake-ups a second when idle: its timer's, none by records", ("<=", 10.5)),
            summary([row["idle_wakeups"] for row in storm])["median"],
        )
    )
    # CPU time for each line that was written, because bpftrace's buffers overflow and lose lines.
    cpu = {
        peer: [row["storm_cpu"] / row["storm_lines"] for row in rows if row["peer"] == peer]
        for peer in ("vfioscope", "bpftrace")
    }
    results.append(
        compare(
            Goal("C3", "CPU from the hook to a JSON line: vfioscope / bpftrace's printf", ("<=", 0.04)),
            cpu["vfioscope"],
            cpu["bpftrace"],
        )
    )
    return results, rows
