# SPDX-License-Identifier: Apache-2.0
"""Measures the consumer, from the real ring to the live graph. A BPF program fills the ring at
native speed (BPF_PROG_TEST_RUN), so this needs root, but not VFIO.
"""

import os
import subprocess

import programs
from measure import Command, Goal, column, compare, interleave

FILLS = 150  # of three quarters of the ring each: some 15 million records a run


def compiled():
    """Compiles the producer's object, and the yardstick that counts its records."""
    programs.INPUTS.mkdir(parents=True, exist_ok=True)
    peers, producer, counter = programs.BENCH / "peers", programs.INPUTS / "producer.bpf.o", programs.INPUTS / "count"
    subprocess.run(
        [
            "clang",
            "-target",
            "bpf",
            "-mcpu=v2",
            "-g",
            "-O2",
            "-D__TARGET_ARCH_x86",
            "-I",
            programs.ROOT / "bpf",
            "-I",
            programs.ROOT / "Sources/CRecords/include",
            "-idirafter",
            f"/usr/include/{os.uname().machine}-linux-gnu",
            "-c",
            peers / "producer.bpf.c",
            "-o",
            producer,
        ],
        check=True,
    )
    subprocess.run(["gcc", "-O2", "-o", counter, peers / "count.c", "-lbpf", "-lelf", "-lz"], check=True)
    return producer, counter


def run(rounds):
    producer, counter = compiled()
    bench = programs.built("ring-bench")
    commands = [Command("libbpf", [counter, producer, FILLS], prints=True)]
    commands += [Command(mode, [bench, producer, FILLS, mode], prints=True) for mode in ("decode", "graph", "rules")]
    taken = interleave(commands, rounds)
    yardstick = column(taken["libbpf"], "ns")

    def speed(mode, goal):
        """Compares speeds, in records a second: the inverse of the nanoseconds measured."""
        return compare(goal, [1e9 / ns for ns in column(taken[mode], "ns")], [1e9 / ns for ns in yardstick])

    results = [
        speed(
            "decode", Goal("C1", "speed of draining and decoding, over libbpf's callback that only counts", (">=", 0.9))
        ),
        speed("graph", Goal("C2", "speed of draining to the live graph, over the same", (">=", 0.25))),
        speed("rules", Goal("C2b", "the same with every rule", (">=", 0.2))),
        compare(
            Goal("S4b", "graph and all rules over the graph alone, from the ring", ("<=", 1.25)),
            column(taken["rules"], "ns"),
            column(taken["graph"], "ns"),
        ),
    ]
    return results, taken
