"""What the tool says of BARs that the kernel cannot take away from a process, against whether that
process could still read one.
"""

RULE = "child-keeps-bar"
# From the deed until the tool knows: up to a second between looks, one more to be sure, and an
# emulated machine's slowness.
LATE = 3_000_000_000


def is_kept(run):
    """Whether a read came through although memory decode was off. Where mremap has moved it, 5.10
    keeps it too, and the tool cannot tell.
    """
    meanings = {"child, memory off"} if run.series == "5.10" else {"child, memory off", "moved, memory off"}
    return any(line["meaning"] in meanings and line["result"] == "ok" for line in run.lines("cpu-read"))


def check(check, run, lines):
    told = [line for line in lines if line["type"] == "device" and line["action"] in ("kept-bar", "let-go")]
    findings = [line for line in lines if line["type"] == "finding" and line["rule"] == RULE]
    if not is_kept(run):
        check("no BAR is kept, and none is said to be", not told and not findings, (told + findings)[:2])
        return
    copy, unmap = (run.lines("fork", role="keeper") + run.lines("mremap"))[0], run.lines("munmap-bar")[0]
    keeper = copy.get("child", copy["pid"])
    check.same("one area is kept and let go", [line["action"] for line in told], ["kept-bar", "let-go"])
    place = (keeper, copy["device"], copy["bar"], copy["bar_offset"], copy["size"])
    for line in told + findings:
        check.same(
            f"the {line.get('action', RULE)} line has the process and its area",
            tuple(line.get(key) for key in ("pid", "device", "bar", "bar_offset", "size")),
            place,
        )
    check(
        "it is told soon after the copy, and let go soon after the unmapping",
        all(deed["t_before"] <= line["t"] <= deed["t_after"] + LATE for line, deed in zip(told, (copy, unmap))),
        (told, copy, unmap),
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
        "the device's other user is who forked, if anybody",
        {line.get("device_owner", {}).get("pid") for line in findings},
        {copy["pid"] if keeper != copy["pid"] else None},
    )
