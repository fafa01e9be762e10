# SPDX-License-Identifier: Apache-2.0
"""Measures how fast recordings and timelines become a graph or lines, beside Python's dicts, DuckDB,
jq, JSONEncoder and wc -l.
"""

import itertools
import json
import os
import shutil
import subprocess

import programs
from measure import Command, Goal, column, compare, count, interleave

PEERS = programs.BENCH / "peers"
EVENTS = 400_000  # read by each peer
JQ_EVENTS = 40_000  # fewer, because jq copies an object for each key that it deletes
ENCODED = 100_000
LIVE = 20_000


def graph_of(file):
    """Live mappings and bytes by container, from the tool's own graph document."""
    document = json.loads(programs.output(programs.TOOL, "export", "--format", "json", file))
    return {
        each["container"]: {"mappings": each["capacity"]["mappings"], "bytes": each["bytes"]}
        for each in document["containers"]
    }


def to_graph(file):
    """The tool's command that makes a graph: `export --format json`, which also judges by every rule
    and writes all mappings.
    """
    return [programs.TOOL, "export", "--format", "json", file]


def same_lines(recording, timeline, encoder):
    """Checks that JSONEncoder writes the same objects as the tool, in the same order."""
    peer = subprocess.Popen([encoder, recording], stdout=subprocess.PIPE)
    mine = (line for line in map(json.loads, open(timeline)) if line["type"] in ("map", "unmap"))
    lines = 0
    for ours, theirs in itertools.zip_longest(mine, map(json.loads, peer.stdout)):
        if ours != theirs:
            raise SystemExit(f"line {lines} differs from JSONEncoder's:\n{ours}\n{theirs}")
        lines += 1
    peer.wait()
    return lines


def copies(recording, count):
    """Copies a recording under several names, for an audit of several files."""
    paths = [recording.with_suffix(f".{number}.vs") for number in range(count)]
    for path in paths:
        shutil.copyfile(recording, path)
    return paths


def run(rounds):
    workbench, encoder, python = programs.built("workbench"), programs.built("json-encoder"), programs.python()
    mixed, made = programs.recording(workbench, "mixed", EVENTS, LIVE // 4)
    small, small_made = programs.recording(workbench, "mixed", JQ_EVENTS, LIVE // 40)
    churn, churn_made = programs.recording(workbench, "churn", ENCODED, LIVE)
    large, large_made = programs.recording(workbench, "mixed", 10 * EVENTS, LIVE // 4)
    lines, small_lines, churn_lines, large_lines = map(programs.timeline, (mixed, small, churn, large))
    cores = len(os.sched_getaffinity(0))
    audit = [programs.TOOL, "audit", *copies(large, 2 * cores)]
    commands = {
        "recording": Command("recording", to_graph(mixed)),
        "timeline": Command("timeline", to_graph(lines)),
        "python": Command("python", [python, PEERS / "rebuild.py", "json", lines]),
        "orjson": Command("orjson", [python, PEERS / "rebuild.py", "orjson", lines]),
        "duckdb": Command("duckdb", [python, PEERS / "duck.py", lines]),
        "jq": Command("jq", ["jq", "-n", "-f", PEERS / "rebuild.jq", small_lines]),
        "export": Command("export", [programs.TOOL, "export", "--format", "jsonl", large]),
        "wc": Command("wc", ["wc", "-l", large_lines]),
        "encoder": Command("encoder", [encoder, churn]),
        "audit": Command("audit", audit),
        "audit-one": Command("audit-one", ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), *audit]),
        "scan": Command("scan", [workbench, "replay", "scan", large], prints=True),
    }
    # A peer with a different answer is not compared.
    for files, peers in (((mixed, lines), ("python", "orjson", "duckdb")), ((small, small_lines), ("jq",))):
        expected = graph_of(files[0])
        for name, answer in [(str(files[1]), graph_of(files[1]))] + [
            (peer, json.loads(programs.output(*commands[peer].argv))) for peer in peers
        ]:
            if answer != expected:
                raise SystemExit(f"{name} has another graph than {files[0]}: {answer}, not {expected}")
    encoded = same_lines(churn, churn_lines, encoder)
    rounds_of = interleave(list(commands.values()), rounds)

    def per(name, units, key="cpu"):
        return [value / units for value in column(rounds_of[name], key)]

    events, few, churned, many = made["events"], small_made["events"], churn_made["events"], large_made["events"]
    recording, timeline, export = per("recording", events), per("timeline", events), per("export", many)
    wc = per("wc", large_lines.stat().st_size)
    # Speed is the inverse of time, so a ratio of speeds has the peer's time as its numerator.
    results = [
        compare(
            Goal("O1", "recording → graph, Python's time over ours", (">=", 200)), per("python", events), recording
        ),
        compare(Goal("O1b", "recording → graph, Python with orjson", (">=", 100)), per("orjson", events), recording),
        compare(Goal("O1c", "recording → graph, DuckDB on one thread", (">=", 20)), per("duckdb", events), recording),
        compare(Goal("O2", "timeline → graph, Python's time over ours", (">=", 40)), per("python", events), timeline),
        compare(
            Goal("O2b", "timeline → graph, jq", (">=", 40), f"{few:,.0f} events for jq, by the event"),
            per("jq", few),
            timeline,
        ),
        compare(Goal("O2c", "timeline → graph, DuckDB on one thread", (">=", 4)), per("duckdb", events), timeline),
        compare(
            Goal(
                "O3",
                "recording → timeline, JSONEncoder's time over ours",
                (">=", 60),
                f"{encoded:,} lines for JSONEncoder, by the line",
            ),
            per("encoder", churned),
            export,
        ),
        compare(
            Goal("O3b", "recording → timeline, speed over that of wc -l on the same bytes", (">=", 0.25)),
            wc,
            per("export", large_lines.stat().st_size),
        ),
        count(
            Goal("O4", "bytes of recording an event, four VMs that churn", ("<=", 16)), large_made["bytes_per_event"]
        ),
        compare(
            Goal("O5", "recording → records, speed over that of wc -l, by the decoded byte", (">=", 0.5)),
            wc,
            [row["ns"] / 1e9 / row["bytes"] for row in rounds_of["scan"]],
        ),
        compare(
            Goal(
                "O6",
                f"audit of {2 * cores} recordings, wall time on one core over that on {cores}",
                (">=", 0.8 * cores),
            ),
            column(rounds_of["audit-one"], "wall"),
            column(rounds_of["audit"], "wall"),
        ),
    ]
    return results, rounds_of
