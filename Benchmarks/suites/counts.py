# SPDX-License-Identifier: Apache-2.0
"""Counts instructions and heap blocks for an event with callgrind: the difference between a history
and one twice as long, divided by the number of additional events.

The goals are the instructions in thresholds.json plus 5 %, and its heap blocks. Lower a threshold
when a stage becomes cheaper; explain in the commit when you raise one.
"""

import json
import subprocess
import tempfile

import programs
from measure import Goal, count

EVENTS = 20_000
LIVE = 1_000
SLACK = 1.05
# (stage, shape, description). Each stage includes the work of the stages before it, except `read`.
COUNTED = [
    ("scan", "mixed", "record → fields"),
    ("graph", "ascending", "record → graph, ascending"),
    ("graph", "churn", "record → graph, churn"),
    ("rules", "mixed", "record → graph and rules"),
    ("write", "churn", "record → timeline"),
    ("write", "mixed", "record → timeline, device memory among it"),
    ("read", "churn", "timeline → events"),
]


# The allocator's entry points, found among the program's own symbols: it is linked statically, so
# the allocator cannot be replaced by one that counts.
ALLOCATORS = {
    "malloc",
    "calloc",
    "realloc",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "__libc_malloc",
    "__libc_calloc",
    "__libc_realloc",
}


def counted(command):
    """Runs a command under callgrind; returns its instructions, and how often it called the
    allocator (not counting calls from within the allocator).
    """
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--compress-strings=no",
                f"--callgrind-out-file={file.name}",
                *map(str, command),
            ],
            capture_output=True,
            check=True,
        )
        blocks, instructions, caller, callee = 0, 0, None, None
        for line in open(file.name):
            if line.startswith("fn="):
                caller = line[3:].strip().split("'")[0]
            elif line.startswith("cfn="):
                callee = line[4:].strip().split("'")[0]
            elif line.startswith("calls=") and callee in ALLOCATORS and caller not in ALLOCATORS:
                blocks += int(line[6:].split()[0])
            elif line.startswith(("summary:", "totals:")):
                instructions = int(line.split()[1])
    if not blocks or not instructions:
        raise SystemExit("callgrind shows no call of the allocator: has the program lost its symbols?")
    return {"instructions": instructions, "blocks": blocks}


def more(once, twice, stage, workbench):
    """Instructions and heap blocks for each additional event."""
    small, large = (counted([workbench, "replay", stage, path]) for path, _ in (once, twice))
    return {key: (large[key] - small[key]) / (twice[1] - once[1]) for key in small}


def run(_):
    workbench = programs.built("workbench")
    inputs = {}
    for _, shape, _ in COUNTED:
        for scale in (1, 2):
            path, made = programs.recording(workbench, shape, scale * EVENTS, LIVE)
            inputs[shape, scale] = path, made["events"]
    thresholds = json.loads((programs.BENCH / "thresholds.json").read_text())
    results, taken = [], {}
    for stage, shape, what in COUNTED:
        once, twice = inputs[shape, 1], inputs[shape, 2]
        if stage == "read":
            once, twice = ((programs.timeline(path), events) for path, events in (once, twice))
        name = f"{stage}-{shape}"
        taken[name] = more(once, twice, stage, workbench)
        bound = thresholds[name]
        results.append(
            count(
                Goal(f"C-{name}", f"instructions an event, {what}", ("<=", round(bound["instructions"] * SLACK, 1))),
                taken[name]["instructions"],
            )
        )
        results.append(
            count(Goal(f"C4-{name}", f"heap blocks an event, {what}", ("<=", bound["blocks"])), taken[name]["blocks"])
        )
    print(json.dumps(taken, indent=1))
    return results, taken
