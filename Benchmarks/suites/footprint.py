# SPDX-License-Identifier: Apache-2.0
"""Measures the footprint in a guest whose clock counts instructions: the time from the start until
all hooks are attached, resident memory, and CPU time when idle.
"""

import emulated
from measure import Goal, column, compare, count, summary
from suites.kernel import SETUP, by_peer


def run(rounds):
    rows, release = emulated.run(SETUP + f"/extra/drive {rounds} quick vfioscope bpftrace-two")
    start, rss = by_peer(rows, "start"), by_peer(rows, "rss_kb")
    # The ring's data is mapped twice in a row, so it counts twice as resident.
    own = [all_of_it - ring for all_of_it, ring in zip(rss["vfioscope"], by_peer(rows, "ring_kb")["vfioscope"])]
    mine = [row for row in rows if row["peer"] == "vfioscope"]
    idle = 100 * summary(column(mine, "idle_cpu"))["median"]
    return [
        compare(
            Goal("F1", "start until attached: vfioscope with 44 hooks / bpftrace with two probes", ("<=", 0.3)),
            start["vfioscope"],
            start["bpftrace-two"],
        ),
        compare(
            Goal("F1", "resident memory, the ring apart: vfioscope / bpftrace with two probes", ("<=", 0.2)),
            own,
            rss["bpftrace-two"],
        ),
        count(
            Goal("F2", "CPU when idle, per cent of a core that does one instruction a nanosecond", ("<=", 0.05)), idle
        ),
    ], rows
