# SPDX-License-Identifier: Apache-2.0
"""Checks random runs: at each quiet point the tool's accounts must equal the workload's."""

import json
from dataclasses import dataclass, field

from random_accounts import Replay, differences, graph, oracle, snapshot
from records import ToolFailed, timeline

MOST_GRAPHS = 40  # quiet points at which the tool's graph is exported, spread over a long run


@dataclass
class Outcome:
    operations: int = 0
    points: int = 0
    snapshots: int = 0
    losses: int = 0  # quiet points before which records were lost; the snapshot restores the state
    events_compared: list = field(
        default_factory=list
    )  # (time of a quiet point, whether the events' account was compared there)
    mappings: int = 0
    differences: list = field(default_factory=list)  # (index of the quiet point or operation, account, words)
    snapshot_ms: list = field(default_factory=list)


def surprises(lines):
    return [
        (line["index"], "kernel", f"{line['what']} returns {line['ret']}, not {line['expected']}")
        for line in lines
        if line["op"] == "surprise"
    ]


def compare(run_lines, timeline_lines, tool, recording):
    """Every account at every quiet point against the oracle's."""
    outcome = Outcome()
    quiet = [line for line in run_lines if line["op"] == "quiet"]
    outcome.operations = len({line["index"] for line in run_lines if line["op"] == "did"})
    outcome.points = len(quiet)
    outcome.differences += surprises(run_lines)
    every = max(1, len(quiet) // MOST_GRAPHS)
    replay, at, graph_points = Replay(), 0, set(range(0, len(quiet), every))
    body = [line for line in timeline_lines if line["type"] not in ("header", "summary", "finding")]
    for number, point in enumerate(quiet):
        index, truth, accounts, lost = point["index"], oracle(point), {}, False
        while at < len(body) and body[at]["t"] <= point["t_before"]:
            lost = lost or body[at]["type"] == "gap" and body[at]["action"] == "lost"
            replay.apply(body[at])
            at += 1
        within = [line for line in body[at:] if line["t"] <= point["t_after"]]
        at += len(within)
        # A program that the kernel skipped shows in its counter, which may be read only for the
        # snapshot.
        lost = lost or any(line["type"] == "gap" and line["action"] == "lost" for line in within)
        outcome.losses += lost
        outcome.events_compared.append((point["t_before"], not lost))
        if not lost:  # else the events are known to be incomplete
            accounts["events"] = replay.state()
        before = replay.state()
        for line in within:
            replay.apply(line)
        if replay.state() != before:
            outcome.differences.append(
                (
                    index,
                    "events",
                    "something happened at the quiet point: " + "; ".join(differences(before, replay.state())[:3]),
                )
            )
        marks = [
            i
            for i, line in enumerate(within)
            if line["type"] == "gap" and line["action"] in ("snapshot-begin", "snapshot-end")
        ]
        # The tool takes its first snapshot by itself. On a slow machine that can end in the first
        # quiet point without having begun there.
        if marks and within[marks[0]]["action"] == "snapshot-end":
            marks.pop(0)
        taken = list(zip(marks[::2], marks[1::2]))
        if point["snapshot"] and not taken:
            outcome.differences.append(
                (index, "snapshot", f"{len(marks)} marks of a snapshot between t_before and t_after")
            )
        for begin, end in taken:
            accounts[f"snapshot {begin}"] = snapshot(within[begin:end])
            outcome.snapshots += 1
            outcome.snapshot_ms.append((within[end]["t"] - within[begin]["t"]) / 1e6)
            outcome.differences += [] if lost else cost(index, within[end])
        if tool and number in graph_points and not lost:
            accounts["graph"] = graph(tool, recording, point["t_before"])
        if tool and taken and (lost or number in graph_points):
            accounts["graph, after the snapshot"] = graph(tool, recording, point["t_after"])
        for name, account in accounts.items():
            outcome.mappings += truth.mappings
            outcome.differences += [
                (index, name.split(" ")[0] if name.startswith("snapshot") else name, words)
                for words in differences(truth, account)
            ]
        if taken and replay.state() != truth:
            replay.rebase(within[taken[-1][0] : taken[-1][1]])
    return outcome


def cost(index, end):
    """The differences that the tool's own snapshot reports: none, in a run that lost nothing."""
    reported = {key: end.get(key, 0) for key in ("added", "removed", "changed", "unsettled") if end.get(key, 0)}
    return [(index, "snapshot", f"the tool reports {reported}")] if reported and not end.get("first") else []


def damaged(events, compared):
    """Two damaged copies of the timeline: without the event of the observed mapping that lived
    longest, and without that mapping in the snapshots.

    The mapping must exist at a quiet point, and the first such point must not follow a loss: there
    the snapshot counts, and the events do not.
    """

    def shows(made, gone):
        point = next((point for point in compared if point[0] >= made), None)
        return point is not None and point[1] and point[0] < gone

    made, lived = {}, []
    for number, line in enumerate(events):
        key = line.get("container"), line.get("iova")
        if line["type"] == "map" and not line["result"] and line["provenance"] == "observed":
            made[key] = number
        elif line["type"] == "unmap" and line["action"] == "removed" and key in made:
            first = made.pop(key)
            if shows(events[first]["t"], line["t"]):
                lived.append((number - first, first, number))
    if not lived:
        return
    _, first, last = max(lived)
    yield events[:first] + events[first + 1 :]
    found = [
        number
        for number in range(first, last)
        if events[number]["type"] == "map"
        and events[number]["provenance"] == "snapshot"
        and all(events[number][key] == events[first][key] for key in ("container", "iova"))
    ]
    if found:
        yield [line for number, line in enumerate(events) if number not in found]


def check(check, series, run, directory, tool):
    """One run's files. The outcome, or None when there is nothing to compare."""

    def path(suffix):
        return directory / f"{run.title}.{suffix}"

    lines = [json.loads(line) for line in path("oracle").read_text().splitlines()] if path("oracle").exists() else []
    gave_up = [f"{line['step']}: {line['error']}" for line in lines if line["op"] == "gave-up"]
    status = path("status").read_text().split() if path("status").exists() else ["none"]
    ended = check(
        "the workload runs to its end",
        status[0] == "0" and any(line["op"] == "random-end" for line in lines),
        f"status {' '.join(status)} {' '.join(gave_up)}",
    )
    events = []
    if tool:
        try:
            events = timeline(tool, path("vfs"))
        except (ToolFailed, ValueError, OSError) as problem:
            check("the recording becomes a timeline", False, problem)
            return None
        last = events[-1]
        check.same("attempted is delivered and lost", last["attempted"], last["delivered"] + last["lost"])
        # 4: the evidence is incomplete, which it may be only where records are reported lost.
        check(
            "the tool ends well",
            status[1:] == ["0"] or status[1:] == ["4"] and last["lost"],
            f"{status[1:]} {path('err').read_text(errors='replace')[-300:] if path('err').exists() else ''}",
        )
    outcome = (
        compare(lines, events, tool, path("vfs"))
        if tool
        else Outcome(
            len({line["index"] for line in lines if line["op"] == "did"}),
            sum(line["op"] == "quiet" for line in lines),
            differences=surprises(lines),
        )
    )
    found = outcome.differences
    if not ended and not found:
        found.append(
            (next((line["index"] for line in reversed(lines) if "index" in line), 0), "kernel", "the run does not end")
        )
    lost = f", {outcome.losses} of the points after a loss" if outcome.losses else ""
    slowest = f", snapshots of up to {max(outcome.snapshot_ms):.0f} ms" if outcome.snapshot_ms else ""
    print(
        f"lab: Linux {series}, random seed {run.seed}: {outcome.operations:,} operations, {outcome.points:,} "
        f"quiet points, "
        f"{outcome.snapshots:,} snapshots, {outcome.mappings:,} mappings compared, "
        f"{len(found)} differences{lost}{slowest}",
        flush=True,
    )
    missed = int(path("missed").read_text()) if path("missed").exists() else 0
    if missed:
        print(f"     the kernel skipped the tool's programs {missed:,} times (recursion_misses)")
    for index, account, words in found[:8]:
        print(f"     operation {index}, {account}: {words}")
    if tool and not found and outcome.mappings:
        check(
            "a mapping left out of the events or of a snapshot would be noticed",
            (trials := list(damaged(events, outcome.events_compared)))
            and all(compare(lines, less, None, None).differences for less in trials),
        )
    check(
        "every account is the oracle's",
        not found,
        f"{len(found)} differences; repeat: {run.repeat(series)}; shrink: --shrink {run.seed}",
    )
    return outcome
