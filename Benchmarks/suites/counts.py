"""Instructions and heap blocks an event, by callgrind: what twice as many events take more. Held
against thresholds.json, 5 % either way of which is news.
"""

import json
import subprocess
import tempfile

import programs
from measure import Goal, count

EVENTS = 20_000
LIVE = 1_000
SLACK = 1.05
# (stage, shape, what): each stage does all that those before it do.
COUNTED = [
    ("scan", "mixed", "record → fields"),
    ("graph", "ascending", "record → graph, ascending"),
    ("graph", "churn", "record → graph, churn"),
    ("rules", "mixed", "record → graph and rules"),
    ("write", "churn", "record → timeline"),
    ("write", "mixed", "record → timeline, device memory among it"),
    ("read", "churn", "timeline → events"),
]


# The allocator's ways in, as the programs' own symbols: they are linked statically, so nothing can
# be put in the allocator's place.
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
    """Instructions, and calls of the allocator from outside it."""
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
    """What an event takes more, of each."""
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
