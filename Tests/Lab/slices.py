# SPDX-License-Identifier: Apache-2.0
"""Cuts the recording that several scenarios share into one recording for each, and checks that
nothing got lost on the way.

The layout of a recording is known to one program alone: cut-recording, in Cutter/.
"""

import json
import subprocess
from collections import Counter

from records import ToolFailed, timeline

BATCH = "batch"  # the name of the shared recording in a guest's results

# Scenarios with a run of the tool of their own: so each kernel has the start, the end and the exit
# status of `record` tested, around nothing wrong, around a finding, and right after a storm.
APART = ("clean-p2p", "stale-cross", "storm")


def spans(directory, names):
    """(name, begin, end) of each scenario that ran in the batch, ascending; times in nanoseconds
    since boot.
    """
    found = []
    for name in names:
        path = directory / f"{name}.span"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        borders = [line["t_after"] for line in lines if line["op"] == "end"]
        if len(borders) == 2:
            found.append((name, *borders))
    return sorted(found, key=lambda span: span[1])


def cut(check, directory, names, cutter):
    """Writes NAME.vfs for each scenario of the batch. `directory` holds a guest's results."""
    recording = directory / f"{BATCH}.vfs"
    if not check("there is a recording", recording.exists()):
        return
    for name in names:
        (directory / f"{name}.vfs").unlink(missing_ok=True)  # of an earlier check
    found = spans(directory, names)
    check.same("each scenario has a span", [name for name, *_ in found], list(names))
    result = subprocess.run(
        [str(cutter), str(recording), str(directory)],
        input="".join(f"{name} {begin} {end}\n" for name, begin, end in found),
        capture_output=True,
        text=True,
    )
    if not check("it is cut", result.returncode == 0, (result.returncode, (result.stdout + result.stderr)[-300:])):
        return
    counts = json.loads(result.stdout)
    check.same("the tool's exit status is its command's", int((directory / f"{BATCH}.status").read_text()), 0)
    check.same("nothing lost, no defect", (counts["lost"], counts["defects"]), (0, 0))
    check.same("attempted is delivered and lost", counts["attempted"], counts["delivered"] + counts["lost"])
    check.same("each span has records", [slice["name"] for slice in counts["slices"]], [name for name, *_ in found])
    check.same("no record comes later than its span's border", counts["late"], 0)
    inside = sum(slice["delivered"] for slice in counts["slices"])
    check("the slices have records, and no more than were delivered", 0 < inside <= counts["delivered"], counts)


def event_keys(lines):
    """Timeline lines as keys that do not depend on what else is in the recording: a container's
    number does, and so do findings. A process may be introduced in several slices.
    """
    return Counter(
        (line["t"], line["type"], line.get("action"), line["tid"], line.get("iova"), line.get("device"))
        for line in lines
        if line["type"] != "finding" and "tid" in line and (line["type"], line.get("action")) != ("process", "info")
    )


def check_slice(check, lines):
    """A slice begins with the kernel's state, as a recording of its own does."""
    snapshots = [line for line in lines if line["type"] == "gap" and line["action"].startswith("snapshot-")]
    check(
        "the slice begins with a snapshot, and has no other",
        [line["action"] for line in snapshots] == ["snapshot-begin", "snapshot-end"] and lines[1] == snapshots[0],
        (lines[1:2], snapshots[:3]),
    )


def check_whole(check, directory, tool, sliced, pids):
    """Every event of the scenarios' processes is in a slice, once. `sliced` are the lines of the
    slices that are about `pids`.
    """
    try:
        lines = timeline(tool, directory / f"{BATCH}.vfs")
    except (ToolFailed, ValueError) as problem:
        check("the recording becomes a timeline", False, problem)
        return
    whole = event_keys(line for line in lines if line.get("pid") in pids)
    missing, extra = whole - sliced, sliced - whole
    check(
        f"each of its {sum(whole.values())} events is in one slice",
        whole and not missing and not extra,
        f"missing {list(missing)[:2]}, too many {list(extra)[:2]}",
    )
