# SPDX-License-Identifier: Apache-2.0
"""Compares the tool's timeline with the oracle and the tracepoints, and its findings with the
expectation.
"""

from collections import Counter

import capacity_checks
import dma_buf_checks
import finding_checks
import kept_bar_checks
from records import ToolFailed, audit_status, oracle_maps, oracle_unmapped, timeline, traced_bytes
from scenarios import BACKINGS, SCENARIOS

# How late the time stamp of a release may be, nanoseconds: on old kernels the release happens
# after close(2) has returned.
SLACK = 50_000_000
# How far out of order events of two CPUs can reach the ring, nanoseconds: what the tool itself
# allows for.
DISORDER = 100_000_000


def check(check, run, tool):
    """Every check of one scenario's recording. Returns its timeline, [] where there is none."""
    recording = run.path("vfs")
    if not check("there is a recording", recording.exists()):
        return []
    try:
        policy = SCENARIOS[run.name].policy and run.path("policy.toml")
        if policy:
            policy.write_text(SCENARIOS[run.name].policy)
        lines = timeline(tool, recording, policy)
    except (ToolFailed, ValueError) as problem:
        check("the recording becomes a timeline", False, problem)
        return []
    mine = [line for line in lines if line.get("pid") in run.pids]
    check_frame(check, lines)
    check_maps(check, run, mine)
    check_targets(check, run, mine)
    check_unmaps(check, run, mine)
    check_objects(check, run, lines, mine)
    check_backing(check, run, mine)
    check_bars(check, run, lines)
    check_memory(check, run, lines)
    if run.lines("dma-buf"):
        dma_buf_checks.check(check, run, mine)
    kept_bar_checks.check(check, run, lines)
    capacity_checks.check(check, run, tool, recording)
    finding_checks.check(check, run, lines, SCENARIOS[run.name])
    fails = SCENARIOS[run.name].fails_audit
    if fails is None:
        fails = kept_bar_checks.is_kept(run)
    check.same(
        "audit's exit status",
        audit_status(tool, recording),
        1 if (fails(run.series) if callable(fails) else fails) else 0,
    )
    return lines


def check_frame(check, lines):
    head, last = lines[0], lines[-1]
    check.same(
        "starts with a header of the schema", (head["type"], head.get("schema")), ("header", "vfioscope.timeline/1")
    )
    if not check("ends with a summary", last["type"] == "summary", last["type"]):
        return
    check.same("nothing lost", (last["complete"], last["lost"]), (True, 0))
    check.same("attempted is delivered and lost", last["attempted"], last["delivered"] + last["lost"])
    late = [b for a, b in zip(lines[1:-1], lines[2:-1]) if b["t"] < a["t"] - DISORDER]
    check("time does not run backwards", not late, f"{len(late)} lines, {late[:1]}")
    last, late = {}, []
    for line in lines[1:-1]:
        if line["type"] not in ("finding", "gap") and "tid" in line:
            if line["t"] < last.get(line["tid"], 0):
                late.append(line)
            last[line["tid"]] = line["t"]
    check("within a thread it never runs backwards", not late, f"{len(late)} lines, {late[:1]}")


def check_maps(check, run, mine):
    maps = [line for line in mine if line["type"] == "map" and not line.get("vaddr_only")]
    for failed, what in ((False, "maps are the oracle's"), (True, "failed maps are the oracle's, errno included")):
        seen = Counter((int(m["iova"], 16), m["size"], m["result"]) for m in maps if (m["result"] != 0) == failed)
        expected = oracle_maps(run, failed)
        check(what, seen == expected, f"missing {readable(expected - seen)}, too many {readable(seen - expected)}")
    traced = sum(
        traced_bytes(run, "map", line) for line in run.lines("map") + run.lines("map-many") if not line.get("ret")
    )
    check.same("mapped bytes are the tracepoint's", sum(m["size"] for m in maps if m["result"] == 0), traced)


def readable(counter):
    shown = [
        f"{hex(iova)}+{size}→{result}" + (f" ×{n}" if n > 1 else "")
        for (iova, size, result), n in list(counter.items())[:4]
    ]
    return f"{sum(counter.values())} [{', '.join(shown)}]"


def joined(targets):
    """Targets with neighbours joined, as (device, bar, bar_offset, iova, size)."""
    result = []
    for t in sorted(targets, key=lambda t: t[3]):
        last = result[-1] if result else None
        if last and last[:2] == t[:2] and last[2] + last[4] == t[2] and last[3] + last[4] == t[3]:
            result[-1] = (*last[:4], last[4] + t[4])
        else:
            result.append(t)
    return result


def check_targets(check, run, mine):
    wrong = []
    for line in run.lines("map", ret=0):
        start = int(line["iova"], 16)
        expected = (
            line["ram"],
            joined((t["device"], t["bar"], t["bar_offset"], start + t["offset"], t["size"]) for t in line["targets"]),
        )
        near = [
            m
            for m in mine
            if m["type"] == "map"
            and m["result"] == 0
            and int(m["iova"], 16) == start
            and m["pid"] == line["pid"]
            and line["t_before"] <= m["t"] <= line["t_after"] + SLACK
        ]
        seen = [
            (
                m.get("ram", 0),
                joined(
                    (t["device"], t["bar"], t["bar_offset"], int(t["iova"], 16), t["size"])
                    for t in m.get("targets", [])
                ),
            )
            for m in near
        ]
        if expected not in seen:
            wrong.append(f"{line['iova']}: {seen}, not {expected}")
    check("RAM bytes and targets are the oracle's", not wrong, "; ".join(wrong[:2]))


def check_unmaps(check, run, mine):
    removed = [line for line in mine if line["type"] == "unmap" and line["action"] == "removed"]
    check.same(
        "bytes removed on request are the oracle's",
        sum(r["size"] for r in removed if r["cause"] == "request"),
        oracle_unmapped(run),
    )
    requests = Counter(
        (line["pid"], line["iova"], line.get("requested", 0))
        for line in mine
        if line["type"] == "unmap" and line["action"] == "request"
    )
    asked = Counter((line["pid"], line["iova"], line["size"]) for line in run.lines("unmap"))
    check("unmap requests are the oracle's", not asked - requests, list((asked - requests).items())[:2])
    teardown = sum(line["bytes"] for line in run.lines("killed") + run.lines("teardown"))
    check.same("bytes removed by teardown", sum(r["size"] for r in removed if r["cause"] == "teardown"), teardown)


def check_objects(check, run, lines, mine):
    opened = Counter(line["device"] for line in run.lines("device-open") if line["ret"] == 0)
    check.same(
        "device opens", Counter(d["device"] for d in mine if d["type"] == "device" and d["action"] == "open"), opened
    )
    wrong = []
    for device in opened:
        last = sorted(
            d["t"] for d in lines if d["type"] == "device" and d["action"] == "last-close" and d["device"] == device
        )
        released = sorted((r["t_before"], r["t_after"]) for r in run.lines("release", device=device))
        if len(last) != len(released) or any(not a <= t <= b + SLACK for t, (a, b) in zip(last, released)):
            wrong.append(f"{device}: {last}, not within {released}")
    check("last closes fall into the oracle's releases", not wrong, "; ".join(wrong))
    for kind, action, op in (
        ("container", "open", "container-open"),
        ("container", "set-iommu", "set-iommu"),
        ("group", "attach", "set-container"),
    ):
        # An attach line with a result is one to the IOMMU that failed.
        seen = sum(1 for line in mine if line["type"] == kind and line["action"] == action and "result" not in line)
        check.same(f"{kind} {action} lines", seen, len(run.lines(op, ret=0)))


def check_backing(check, run, mine):
    """Shared memory is reported with its file, other memory with none."""
    backed = [line for line in mine if line["type"] == "map" and "backing" in line]
    kind = BACKINGS.get(run.name)
    if not kind:
        live = run.name.startswith("live-update")  # its memory is a file, so that the next program gets it
        check.same(
            "no other memory is shared", {line["backing"] for line in backed} - ({"memfd"} if live else set()), set()
        )
        return
    check.same("the backing of both maps is reported", [line["backing"] for line in backed], [kind, kind])
    inodes = {line["backing_inode"] for line in backed}
    files = {line["inode"] for line in run.lines("memory-file")}
    check("by the inodes of its files", inodes == files if files else len(inodes) == 1, (inodes, files))
    check.same("from the beginning", {line["backing_offset"] for line in backed}, {0})


def check_bars(check, run, lines):
    """A driver that comes or goes moves no BAR: its event has the BARs that sysfs had at the start, or
    when the device was added. Those that a rescan assigns are in the oracle.
    """
    known = {device["device"]: device["bars"] for device in [*lines[0]["devices"], *run.lines("bars")]}
    wrong = [
        (line["device"], line["bars"], known.get(line["device"]))
        for line in lines
        if line["type"] == "device"
        and line["action"] in ("bind", "unbind")
        and line.get("bars")
        and line["bars"] != known.get(line["device"])
    ]
    check("the BARs of bind and unbind lines are those of sysfs", not wrong, wrong[:1])
    for line in run.lines("remapping"):
        check.same(
            "whether interrupts are remapped",
            (line["remapped"], lines[0].get("irq_remapping")),
            (not line["plain"], line["remapped"]),
        )
    for line in run.lines("msix"):
        device = next((d for d in lines[0]["devices"] if d["device"] == line["device"]), {})
        check.same(
            "the MSI-X table is where config space has it",
            [device.get(key) for key in ("msix_bar", "msix_offset", "msix_size")],
            [line["bar"], line["offset"], line["size"]],
        )
    for line in run.lines("bar-address", when="after"):
        added = [
            other
            for other in lines
            if other["type"] == "device" and other["action"] == "add" and other["device"] == line["device"]
        ]
        seen = [bar["address"] for other in added[-1:] for bar in other["bars"] if bar["bar"] == line["bar"]]
        check.same(f"BAR {line['bar']} of {line['device']} is added where sysfs has it", seen, [line["address"]])


def check_memory(check, run, lines):
    def between(line, action, device):
        # No slack: the next call can begin at once, and both times are of CLOCK_BOOTTIME.
        return [
            m
            for m in lines
            if m["type"] == "memory"
            and m["action"] == action
            and m["device"] == device
            and line["t_before"] <= m["t"] <= line["t_after"]
        ]

    for line in run.lines("reset", ret=0):
        begins, ends = (len(between(line, action, line["device"])) for action in ("reset-begin", "reset-end"))
        check(
            f"the {line['how']} reset of {line['device']} begins and ends",
            begins > 0 and begins == ends,
            (begins, ends),
        )
    for line in run.lines("power", ret=0):
        states = {m.get("state") for m in between(line, "power", line["device"])}
        check(f"power state {line['state']} is seen", ("D3hot" if line["state"] == 3 else "D0") in states, states)
    for line in run.lines("power-state"):
        states = [
            m["state"]
            for m in lines
            if m["type"] == "memory"
            and m["action"] == "power"
            and m["device"] == line["device"]
            and m["t"] <= line["t"]
        ]
        check.same(
            f"the power state of {line['device']} is that of its register",
            (states or ["D0"])[-1],
            ("D0", "D1", "D2", "D3hot")[line["state"]],
        )
    if run.name == "memory-off-on":
        for line, action in zip(run.lines("command-write", device=run.device("ivshmem"))[1:], ("disable", "enable")):
            check(f"memory {action} is seen", bool(between(line, action, line["device"])))
