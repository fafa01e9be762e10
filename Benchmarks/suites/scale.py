# SPDX-License-Identifier: Apache-2.0
"""Measures the cost of an event among ten million live mappings, and the memory of a mapping."""

import programs
from measure import Command, Goal, column, compare, count, interleave, summary

SMALL, LARGE = 1_000, 10_000_000


def run(rounds):
    workbench = programs.built("workbench")
    judged, made = programs.recording(workbench, "mixed", 1_000_000, 5_000)
    commands = [
        Command(f"{shape} {live}", [workbench, "index", shape, live], prints=True)
        for shape in ("ascending", "churn")
        for live in (SMALL, LARGE)
    ]
    commands.append(Command("rules", [workbench, "rules", judged], prints=True))
    rounds_of = interleave(commands, rounds)

    def figure(shape, live, key):
        return column(rounds_of[f"{shape} {live}"], key)

    def bytes_each(shape):
        most = [large - small for large, small in zip(figure(shape, LARGE, "peak"), figure(shape, SMALL, "peak"))]
        return summary(most)["median"] / (LARGE - SMALL)

    results = [
        compare(
            Goal("S1", "an event at 10⁷ live mappings over one at 10³, ascending", ("<=", 1.15), "user time"),
            figure("ascending", LARGE, "user_ns"),
            figure("ascending", SMALL, "user_ns"),
        ),
        compare(
            Goal("S1b", "the same, the kernel's pages and all", ("<=", 1.15)),
            figure("ascending", LARGE, "ns"),
            figure("ascending", SMALL, "ns"),
        ),
        compare(
            Goal("S2", "an event at 10⁷ live mappings over one at 10³, churn", ("<=", 6)),
            figure("churn", LARGE, "ns"),
            figure("churn", SMALL, "ns"),
        ),
        count(Goal("S3", "bytes a live mapping, ascending", ("<=", 40)), bytes_each("ascending")),
        count(Goal("S3b", "bytes a live mapping, churned", ("<=", 56)), bytes_each("churn")),
        compare(
            Goal("S4", "graph and all rules over the graph alone, from decoded records", ("<=", 1.25)),
            column(rounds_of["rules"], "rules_ns"),
            column(rounds_of["rules"], "graph_ns"),
        ),
    ]
    return results, rounds_of
