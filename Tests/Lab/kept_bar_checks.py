# SPDX-License-Identifier: Apache-2.0
"""Compares what the tool reports of BARs that the kernel cannot take away from a process with whether
that process could still read one.
"""

RULE = "child-keeps-bar"
# How long after the copy the tool may find it: up to a second between two scans, a second scan to
# confirm it, and the slowness of an emulated machine.
LATE = 3_000_000_000


def is_kept(run):
    """Whether a read succeeded although memory decode was off. On 5.10 an area that mremap moved is
    kept as well, and the tool cannot detect it.
    """
    meanings = {"child, memory off"} if run.series == "5.10" else {"child, memory off", "moved, memory off"}
    return any(line["meaning"] in meanings and line["result"] == "ok" for line in run.lines("cpu-read"))


def check(check, run, lines):
    events = [line for line in lines if line["type"] == "device" and line["action"] in ("kept-bar", "let-go")]
    findings = [line for line in lines if line["type"] == "finding" and line["rule"] == RULE]
    if not is_kept(run):
        check("no BAR is kept, and none is reported", not events and not findings, (events + findings)[:2])
        return
    copy, unmap = (run.lines("fork", role="keeper") + run.lines("mremap"))[0], run.lines("munmap-bar")[0]
    keeper = copy.get("child", copy["pid"])
    check.same("one area is kept and let go", [line["action"] for line in events], ["kept-bar", "let-go"])
    place = (keeper, copy["device"], copy["bar"], copy["bar_offset"], copy["size"])
    for line in events + findings:
        check.same(
            f"the {line.get('action', RULE)} line has the process and its area",
            tuple(line.get(key) for key in ("pid", "device", "bar", "bar_offset", "size")),
            place,
        )
    check(
        "it is reported soon after the copy, and let go soon after the unmapping",
        all(call["t_before"] <= line["t"] <= call["t_after"] + LATE for line, call in zip(events, (copy, unmap))),
        (events, copy, unmap),
    )
    states = [(line["state"], line["severity"], line["reachable"]) for line in findings]
    check.same(
        "the finding is medium, high while memory is off, and resolved",
        states,
        [("open", "medium", True), ("open", "high", False), ("open", "medium", True), ("resolved", "medium", True)],
    )
    off = run.lines("command-write", device=copy["device"])[1]
    check(
        "it is high from the time at which memory is off",
        any(line["severity"] == "high" and line["t"] >= off["t_before"] for line in findings),
        findings,
    )
    check.same(
        "the finding names the process that forked as the device's owner",
        {line.get("device_owner", {}).get("pid") for line in findings},
        {copy["pid"] if keeper != copy["pid"] else None},
    )
