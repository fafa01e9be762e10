# SPDX-License-Identifier: Apache-2.0
"""Reads what a scenario left: the oracle's lines, the tracepoints' lines, and the tool's timeline."""

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# trace_clock `boot` and CLOCK_BOOTTIME are one clock, but the trace is printed in microseconds.
TRACE_SLACK = 50_000


@dataclass
class Step:
    """One `iommu:map` or `iommu:unmap` event."""

    event: str
    pid: int
    t: int
    iova: int
    size: int


@dataclass
class Run:
    """One scenario in one guest."""

    series: str
    name: str
    directory: Path
    oracle: list = field(default_factory=list)
    trace: list = field(default_factory=list)
    trace_lost: int = 0

    def path(self, suffix):
        return self.directory / f"{self.name}.{suffix}"

    @property
    def status(self):
        return int(self.path("status").read_text())

    def lines(self, op, **wanted):
        return [
            line
            for line in self.oracle
            if line["op"] == op and all(line.get(key) == value for key, value in wanted.items())
        ]

    def device(self, name):
        """The PCI address of one of the lab's devices."""
        return next((line["device"] for line in self.lines("device", name=name)), None)

    @property
    def pids(self):
        return {line["pid"] for line in self.oracle} | {line["child"] for line in self.oracle if "child" in line}


def load(series, name, directory):
    run = Run(series, name, directory)
    run.oracle = [json.loads(line) for line in run.path("oracle").read_text().splitlines()]
    event = re.compile(
        r"-(\d+) .*? (\d+)\.(\d{6}): (map|unmap): IOMMU: iova=(0x[0-9a-f]+).*? size=(\d+)(?: unmapped_size=(\d+))?"
    )
    for line in run.path("iommu").read_text(errors="replace").splitlines():
        if match := event.search(line):
            pid, seconds, micros, kind, iova, size, unmapped = match.groups()
            t = int(seconds) * 1_000_000_000 + int(micros) * 1000
            run.trace.append(Step(kind, int(pid), t, int(iova, 16), int(unmapped or size)))
        elif line.startswith("# lost: "):
            run.trace_lost = int(line.split()[-1])
    return run


def trace_window(oracle, line):
    """When the trace's events of an oracle line may be stamped, both ends inclusive.

    The window never reaches beyond half way to the process's neighbouring lines: on a fast machine
    its next call comes before the slack ends.
    """
    own = [other for other in oracle if other["pid"] == line["pid"] and "t_before" in other and "t_after" in other]
    before = max((other["t_after"] for other in own if other["t_after"] <= line["t_before"]), default=0)
    after = min((other["t_before"] for other in own if other["t_before"] >= line["t_after"]), default=1 << 64)
    return (
        max(line["t_before"] - TRACE_SLACK, (before + line["t_before"]) // 2),
        min(line["t_after"] + TRACE_SLACK, (line["t_after"] + after) // 2),
    )


def traced_bytes(run, event, line):
    """Bytes that the tracepoints report for one oracle line: for its process, its time and its IOVAs.

    That excludes the 8 KiB that kernels up to 6.12 map for a moment on VFIO_SET_IOMMU
    (vfio_test_domain_fgsp).
    """
    begin, end = trace_window(run.oracle, line)
    first, size = int(line.get("iova", "0x0"), 16), line.get("size", 0) * line.get("count", 1)
    if size:
        size = max(size, line.get("unmapped", 0))  # type1 can remove more than was requested
    last = first + size - 1 if size else 1 << 64  # no size: VFIO_DMA_UNMAP_FLAG_ALL and unmap-many
    return sum(
        s.size
        for s in run.trace
        if s.event == event and s.pid == line["pid"] and begin <= s.t <= end and first <= s.iova <= last
    )


def oracle_maps(run, failed=False):
    """Each map the workload asked for, as (iova, size, errno), with how often."""
    maps = Counter()
    for line in run.lines("map"):
        if (line["ret"] != 0) == failed:
            maps[int(line["iova"], 16), line["size"], line["ret"]] += 1
    for line in run.lines("map-many"):
        if not failed:
            start = int(line["iova"], 16)
            maps.update((start + i * line["stride"], line["size"], 0) for i in range(line["count"]))
    return maps


def oracle_unmapped(run):
    return sum(line["unmapped"] for line in run.oracle if line["op"] in ("unmap", "unmap-many"))


class ToolFailed(Exception):
    pass


def timeline(tool, recording, policy=None):
    """The timeline of a recording, judged by a policy file if there is one: a list of its lines."""
    command = [str(tool), "export", str(recording), "--format", "jsonl", "-o", "-"]
    if policy:
        command = [str(tool), "audit", "--policy", str(policy), "--format", "jsonl", str(recording)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode == 2:  # a tool that writes to standard output by default
        result = subprocess.run(command[:-2], capture_output=True, text=True)
    if result.returncode not in (0, 1, 4):
        raise ToolFailed(f"export ends with {result.returncode}: {' '.join(result.stderr.split())[:300]}")
    return [json.loads(line) for line in result.stdout.splitlines()]


def audit_status(tool, recording):
    return subprocess.run([str(tool), "audit", str(recording)], capture_output=True).returncode
