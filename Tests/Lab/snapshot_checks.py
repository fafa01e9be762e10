# SPDX-License-Identifier: Apache-2.0
"""Checks snapshots of the kernel's state: of a host that was never traced, at a late start, after
losses, of a full container, and of objects that no descriptor leads to.
"""

import json
import re

from steps import brief, difference, ends, frame


def loss(steps):
    """After a loss the tool reads the kernel's state, so the verdict stands; unless the gate requires
    complete evidence.
    """
    check = ends(steps, "loss", 0, "lost", "state after each loss was read")
    lines = steps.timeline("loss.jsonl")
    summary = frame(check, lines)
    check("some were lost", summary.get("lost", 0) > 0 and summary.get("complete") is False, summary)
    gaps = [line for line in lines if line["type"] == "gap" and line["action"] == "lost"]
    check.same("the gaps add up to what was lost", sum(gap["lost"] for gap in gaps), summary.get("lost"))
    check("each gap has its time", all(gap["since"] <= gap["until"] for gap in gaps), gaps[:1])
    ends_of = [line for line in lines if line["type"] == "gap" and line["action"] == "snapshot-end"]
    # A snapshot during which more was lost does not count.
    check(
        "the first snapshot precedes the losses, others follow",
        len(ends_of) > 1 and ends_of[0].get("first") and all(s.get("after_loss", True) for s in ends_of[1:]),
        ends_of[:3],
    )
    check(
        "the last one comes after the last gap",
        ends_of and gaps and "added" in ends_of[-1] and ends_of[-1]["t"] >= gaps[-1]["t"],
        (ends_of[-1:], gaps[-1:]),
    )
    for name in ("loss.vfs", "loss.jsonl"):
        check.same(f"audit of {name} ends with", steps.host("audit", name).returncode, 0)
        check.same(
            f"audit of {name} with --require-complete ends with",
            steps.host("audit", "--require-complete", name).returncode,
            4,
        )
    # Nothing is open when the workload has cleaned up, whatever was lost before.
    result = steps.host("export", "--format", "json", "loss.vfs")
    graph = json.loads(result.stdout or b"{}")
    check(
        "the graph is empty in the end",
        graph.get("containers") == [] and not any(device["open"] for device in graph.get("devices", [])),
        brief(result.stdout.decode())[:300],
    )


def loss_stale(steps):
    """One record in three is lost, and the stale mapping is found all the same."""
    check = ends(steps, "loss-stale", 1, "stale-mapping")
    lines = steps.timeline("loss-stale.jsonl")
    summary = frame(check, lines)
    check("some were lost", summary.get("lost", 0) > 0, summary)
    # A finding can open just before the tool hears of the loss. A gap lasts until the snapshot that
    # follows it ends.
    opened, expected, gap_end = [], [], 0
    for line in lines:
        if line["type"] == "gap" and line.get("action") == "lost":
            gap_end = float("inf")
        if line["type"] == "gap" and line.get("after_loss"):
            gap_end = line["t"]
        if line["type"] == "finding" and line["rule"] == "stale-mapping" and line["state"] == "open":
            opened.append(line)
            expected.append(line["since"] <= gap_end)
    check("the stale mapping is found", bool(opened), len(lines))
    check.same(
        "a finding is marked if it may have begun in a gap that is known",
        [bool(line.get("after_gap")) for line in opened],
        expected,
    )


def late_start(steps):
    check = ends(steps, "late-start", 1)
    check.same("the workload ends well", steps.status("late-stale"), 0)
    oracle = [json.loads(line) for line in steps.text("late-stale.oracle").splitlines()]
    ivshmem = next(line["device"] for line in oracle if line["op"] == "device-open" and line["name"] == "ivshmem")
    check(
        "the device's memory was read after its release",
        any(line["op"] == "edu-dma" and line["ok"] for line in oracle),
        [line["op"] for line in oracle],
    )
    lines = steps.timeline("late-start.out")
    check("complete", frame(check, lines).get("complete") is True)
    window = [line for line in lines if line["type"] == "map" and line["iova"] == "0x200000"]
    check.same(
        "the mapping is known by the snapshot alone, target and all",
        [(line["provenance"], line["targets"]) for line in window],
        [("snapshot", [{"device": ivshmem, "bar": 2, "bar_offset": 0, "iova": "0x200000", "size": 0x200000}])],
    )
    release = next(line["t_after"] for line in oracle if line["op"] == "release" and line["device"] == ivshmem)
    findings = [line for line in lines if line["type"] == "finding" and line["rule"] == "stale-mapping"]
    check.same(
        "it is found stale when its device goes, until it is unmapped",
        [(line["state"], line["device"]) for line in findings],
        [("open", ivshmem), ("resolved", ivshmem)],
    )
    check("since the release", findings and abs(findings[0]["since"] - release) < 100_000_000, (findings[:1], release))
    check.same("audit ends with", steps.host("audit", "late-start.out").returncode, 1)


def full(steps):
    check = steps.check("full-workload")
    check.same("the workload ends well", steps.status("full-workload"), 0)
    oracle = [json.loads(line) for line in steps.text("full-workload.oracle").splitlines()]
    many = next(line for line in oracle if line["op"] == "map-many")
    available = next(line["available"] for line in oracle if line["op"] == "dma-available")
    check.same(
        "the container is full by the kernel's own count", (many["count"], many["failed"], available), (65535, 0, 0)
    )
    print(
        f"lab: Linux {steps.series}: 65,535 maps in {(many['t_after'] - many['t_before']) / 1e9:.1f} s "
        f"with the tool stopped",
        flush=True,
    )

    check = ends(steps, "full", 0, "snapshot: 1 container, 65535 mappings, 0 differences")
    result = steps.host("export", "--format", "jsonl", "full.vfs")
    lines = result.stdout.splitlines()
    summary = json.loads(lines[-1])
    check("nothing lost while the tool was stopped", summary["lost"] == 0 and summary["complete"] is True, summary)
    observed = {
        line.split(b'"iova":"')[1].split(b'"')[0]
        for line in lines
        if b'"type":"map"' in line and b'"provenance":"observed"' in line
    }
    check.same("every map was seen", len(observed), 65535)
    removed = sum(1 for line in lines if b'"type":"unmap","action":"removed"' in line)
    check.same("and every removal", removed, 65535)

    rules = {json.loads(line)["rule"] for line in lines if b'"type":"finding"' in line}
    check.same("the container's limit is a finding, and the only one", rules, {"mapping-budget"})

    check = ends(steps, "full-snapshot", 0)
    lines = [json.loads(line) for line in steps.text("full-snapshot.lines").splitlines()]
    frame(check, lines)
    check.same("65,535 different mappings, each once", steps.text("full-snapshot.count").split(), ["65535", "65535"])
    check.same(
        "the walk counts them", [line["mappings"] for line in lines if line.get("action") == "walk-end"], [65535]
    )
    begin, end = (
        next(line["t"] for line in lines if line.get("action") == f"snapshot-{which}") for which in ("begin", "end")
    )
    print(f"lab: Linux {steps.series}: snapshot of 65,535 mappings in {(end - begin) / 1e9:.2f} s", flush=True)


def hidden(steps):
    for how in ("by-bar", "in-flight"):
        name = f"hidden-{how}"
        check = ends(steps, name, 0)
        check.same("the workload ends well", steps.status(f"{name}-workload"), 0)
        check.same("no descriptor of the process leads to VFIO", steps.text(f"{name}.descriptors"), "")
        oracle = [json.loads(line) for line in steps.text(f"{name}-workload.oracle").splitlines()]
        mapped = {line["iova"]: line["size"] for line in oracle if line["op"] == "map" and line["ret"] == 0}
        device, group = next(
            (line["device"], line["group"]) for line in oracle if line["op"] == "device" and line["name"] == "ivshmem"
        )
        graph = json.loads(steps.text(f"{name}.out") or "{}")
        check.same(
            "one container, with the group and the mappings",
            [(c["groups"], {m["iova"]: m["size"] for m in c["mappings"]}) for c in graph.get("containers", [])],
            [([group], mapped)],
        )
        opened = [line for line in graph.get("devices", []) if line["open"]]
        check.same(
            "the device is open, as the snapshot shows",
            [(line["device"], line["provenance"]) for line in opened],
            [(device, "snapshot")],
        )
        pid = next(line["pid"] for line in oracle)
        check.same("held by", [line.get("pid") for line in opened], [pid if how == "by-bar" else None])


def kept_bar(steps):
    """A child keeps its parent's BAR where the kernel does not take it away, which the child's read
    shows. The live timeline and that of the recording report it alike.
    """
    check = ends(steps, "kept-bar", 0)
    check.same("the workload ends well", steps.status("kept-bar-workload"), 0)
    oracle = [json.loads(line) for line in steps.text("kept-bar-workload.oracle").splitlines()]
    read = next((line["result"] for line in oracle if line["op"] == "cpu-read"), None)
    fork = next((line for line in oracle if line["op"] == "fork"), {})
    graph = json.loads(steps.text("kept-bar.out") or "{}")
    seen = [
        (device["device"], *(area.get(key) for key in ("bar", "bar_offset", "size", "pid")))
        for device in graph.get("devices", [])
        for area in device.get("kept_bars", [])
    ]
    wanted = [tuple(fork.get(key) for key in ("device", "bar", "bar_offset", "size", "child"))] if read == "ok" else []
    check.same("what the child has is shown, if it could read it", seen, wanted)
    check.same(
        "and listed",
        steps.text("kept-bar-list.out").count(f"kept from the kernel by workload (pid {fork.get('child')})"),
        len(wanted),
    )
    check.same("the verdict is that", steps.status("kept-bar-live"), len(wanted))
    live = steps.host("export", "--format", "jsonl", "kept-bar-live.vfs").stdout.decode()
    check(
        "the live timeline is the recording's",
        live == steps.text("kept-bar-live.jsonl"),
        difference(live, steps.text("kept-bar-live.jsonl")),
    )
    again = steps.host("export", "--format", "jsonl", "kept-bar-live.jsonl").stdout.decode()
    check("and read again it is the same", again == live, difference(again, live))


def exec_kept(steps):
    """Memory was mapped, and its address space left by execve or exit, before the tool started."""
    for how in ("exec", "exit"):
        check = ends(steps, f"{how}-kept", 0)
        check.same("the workload ends well", steps.status(f"{how}-kept-workload"), 0)
        oracle = [json.loads(line) for line in steps.text(f"{how}-kept-workload.oracle").splitlines()]
        maps = [line for line in oracle if line["op"] == "map" and line["ret"] == 0]
        lines = steps.timeline(f"{how}-kept.out")
        frame(check, lines)
        gone = {(line["iova"], line["size"]) for line in lines if line["type"] == "map" and line.get("mm_gone")}
        check.same(
            "the snapshot's maps report that their address space is gone",
            gone,
            {(line["iova"], line["size"]) for line in maps},
        )
        found = [
            (line["rule"], line["severity"], line["pid"])
            for line in lines
            if line["type"] == "finding" and line["severity"] != "info"
        ]
        check.same(
            "dead-mm, of who mapped, and nothing else", found, [("dead-mm", "low", maps[0]["pid"])] if maps else None
        )


def snapshot_idle(steps):
    check = ends(steps, "snapshot-idle", 0)
    check(
        "reports that no container is open",
        "No container" in steps.text("snapshot-idle.out"),
        brief(steps.text("snapshot-idle.out")),
    )


def snapshot(steps):
    """The workload was stopped with a mapping of closed ivshmem's BAR in force and its VMA gone. The
    oracle's lines up to then are the truth.
    """
    oracle = [json.loads(line) for line in steps.text("snapshot-workload.stopped").splitlines()]
    pid = int(steps.text("snapshot-workload.pid") or 0)
    device = {line["name"]: line["device"] for line in oracle if line["op"] == "device-open"}
    group = {line["device"]: line["group"] for line in oracle if line["op"] == "group-open"}
    in_force = {}
    for line in oracle:
        if line["op"] == "map" and line["ret"] == 0:
            in_force[line["iova"]] = line["size"]
        elif line["op"] == "unmap":
            in_force.pop(line["iova"], None)
    check = steps.check("snapshot-workload")
    check.same("the workload ends well", steps.status("snapshot-workload"), 0)
    if not check(
        "it was stopped with edu open, ivshmem closed and two mappings",
        set(device) == {"edu", "ivshmem"} and len(in_force) == 2 and oracle[-1]["op"] == "release",
        [line["op"] for line in oracle[-4:]],
    ):
        return
    check(
        "no VMA but that of edu's registers",
        steps.text("snapshot-workload.maps").count("\n") <= 1,
        brief(steps.text("snapshot-workload.maps")),
    )
    edu, ivshmem = device["edu"], device["ivshmem"]

    check = ends(steps, "snapshot-jsonl", 1)
    lines = steps.timeline("snapshot-jsonl.out")
    summary = frame(check, lines)
    check(
        "complete, nothing lost",
        summary.get("complete") is True and summary["attempted"] == summary["delivered"] > 0,
        summary,
    )
    actions = {}
    for line in lines[1:-1]:
        actions.setdefault((line["type"], line.get("action")), []).append(line)
    check.same(
        "one snapshot, which ends",
        [len(actions.get(("gap", f"snapshot-{end}"), [])) for end in ("begin", "end")],
        [1, 1],
    )

    maps = actions.get(("map", None), [])
    check.same(
        "the mappings in force, no others",
        sorted((line["iova"], line["size"]) for line in maps),
        sorted(in_force.items()),
    )
    check(
        "their provenance is snapshot, their process the workload",
        all(line["provenance"] == "snapshot" and line["pid"] == pid for line in maps),
        maps[:1],
    )
    window = next((line for line in maps if line["iova"] == "0x200000"), {})
    check.same(
        "the stale mapping's target",
        window.get("targets"),
        [{"device": ivshmem, "bar": 2, "bar_offset": 0, "iova": "0x200000", "size": 0x200000}],
    )
    check(
        "edu's page is RAM",
        all(line["targets"] == [] and line["ram"] == line["size"] for line in maps if line is not window),
        maps,
    )
    walks = actions.get(("container", "walk-end"), [])
    check.same("each walk counts its mappings", sorted(line["mappings"] for line in walks), [0, 2])

    containers = actions.get(("container", "present"), [])
    check(
        "two containers of type 1 v2",
        len(containers) == 2
        and all(line["iommu_type"] == 3 and line["provenance"] == "snapshot" for line in containers),
        containers,
    )
    where = {line["group"]: line["container"] for line in actions.get(("group", "present"), []) if line["container"]}
    check(
        "each device's group is in one of them, and edu's has the mappings",
        set(where) == {group[edu], group[ivshmem]}
        and set(where.values()) == {line["container"] for line in containers}
        and all(line["container"] == where[group[edu]] for line in maps),
        where,
    )
    present = {line["device"]: line for line in actions.get(("device", "present"), [])}
    check(
        "edu is open",
        present.get(edu, {}).get("open_count", 0) >= 1 and present[edu]["group"] == group[edu],
        present.get(edu),
    )
    check(
        "ivshmem is closed",
        present.get(ivshmem, {}).get("open_count") == 0 and present[ivshmem]["group"] == group[ivshmem],
        present.get(ivshmem),
    )
    check(
        "no other device is open",
        all(line["open_count"] == 0 for address, line in present.items() if address != edu),
        sorted(present),
    )

    held = {kind: actions.get((kind, "held"), []) for kind in ("container", "group", "device")}
    check(
        "every holder is the workload",
        all(line["pid"] == pid and line["comm"] == "workload" for kind in held for line in held[kind]),
        held,
    )
    check.same(
        "it holds both containers",
        {line["container"] for line in held["container"]},
        {line["container"] for line in containers},
    )
    check.same("it holds both groups", {line["group"] for line in held["group"]}, set(where))
    check.same("it holds edu alone", {line["device"] for line in held["device"]}, {edu})
    live = steps.path("snapshot-jsonl.out").read_bytes()
    result = steps.host("export", "--format", "jsonl", "snapshot-jsonl.out")
    check("export is the same, byte for byte", result.stdout == live, difference(result.stdout, live))
    check.same("export: status", result.returncode, 0)

    check = ends(steps, "snapshot-text", 1)
    text = steps.text("snapshot-text.out")
    for what, pattern in (
        ("the finding first", r"\A\S+  !! HIGH stale-mapping(.|\n)*\nfindings: 1 high\n\nLinux "),
        ("the holder", rf"workload \(pid {pid}\)"),
        ("edu open", rf"{edu} .*open by workload"),
        ("ivshmem closed", rf"{ivshmem} .*closed"),
        ("edu's page", r"RAM"),
        ("the stale mapping", rf"0x200000-0x3fffff .*→ {ivshmem} BAR2\+0x0"),
    ):
        check(f"shows {what}", re.search(pattern, text) is not None, brief(text))


def unknown_targets(steps):
    """The workload was stopped with mappings in force, one of device memory, that no table shows."""
    oracle = [json.loads(line) for line in steps.text("unknown-workload.stopped").splitlines()]
    in_force = {line["iova"]: line["size"] for line in oracle if line["op"] == "map" and line["ret"] == 0}
    for line in oracle:
        if line["op"] == "unmap":
            in_force.pop(line["iova"], None)
    check = steps.check("unknown-workload")
    check("it was stopped with mappings in force", len(in_force) == 2, [line["op"] for line in oracle[-4:]])
    check = ends(steps, "unknown-doctor", 0)
    text = steps.text("unknown-doctor.out")
    check("shows why", re.search(r"note .*is not an Intel VT-d", text) is not None, brief(text))

    check = ends(steps, "unknown-snapshot", 4, f"it is unknown where {len(in_force)} mappings lead")
    lines = steps.timeline("unknown-snapshot.out")
    check.same("not complete", frame(check, lines).get("complete"), False)
    maps = [line for line in lines if line["type"] == "map"]
    check.same(
        "every mapping, its target unknown",
        sorted((line["iova"], line["size"], line["ram"], line.get("target_unknown")) for line in maps),
        sorted((iova, size, 0, True) for iova, size in in_force.items()),
    )
    check.same("audit ends with", steps.host("audit", "unknown-snapshot.out").returncode, 4)
    check = ends(steps, "unknown-list", 4)
    text = steps.text("unknown-list.out")
    check("the list shows it, and no RAM", "not known" in text and "RAM" not in text, brief(text))
    check = ends(steps, "unknown-clean", 0)
    check(
        "what is traced from its beginning is complete",
        "unknown" not in steps.err("unknown-clean"),
        brief(steps.err("unknown-clean")),
    )


def snapshot_many(steps):
    """More than one step of the walk, and the one of device memory in the last."""
    oracle = [json.loads(line) for line in steps.text("snapshot-many-workload.stopped").splitlines()]
    many, last = ([line for line in oracle if line["op"] == op] for op in ("map-many", "map"))
    check = steps.check("snapshot-many-workload")
    check.same("the workload ends well", steps.status("snapshot-many-workload"), 0)
    if not check(
        "it was stopped with its mappings",
        len(many) == len(last) == 1 and many[0]["failed"] == last[0]["ret"] == 0,
        [line["op"] for line in oracle[-4:]],
    ):
        return
    expected = [(int(many[0]["iova"], 16) + i * many[0]["stride"], many[0]["size"]) for i in range(many[0]["count"])]
    expected.append((int(last[0]["iova"], 16), last[0]["size"]))
    check = ends(steps, "snapshot-many", 1)
    lines = steps.timeline("snapshot-many.out")
    summary = frame(check, lines)
    check(
        "complete, nothing lost",
        summary.get("complete") is True and summary["attempted"] == summary["delivered"],
        summary,
    )
    maps = [line for line in lines if line["type"] == "map"]
    check.same("each mapping once, ascending", [(int(line["iova"], 16), line["size"]) for line in maps], expected)
    ivshmem = next(line["device"] for line in oracle if line["op"] == "device-open" and line["name"] == "ivshmem")
    check.same(
        "the last one's target",
        maps[-1]["targets"] if maps else None,
        [{"device": ivshmem, "bar": 2, "bar_offset": 0, "iova": last[0]["iova"], "size": last[0]["size"]}],
    )
    check("the others are RAM", all(not line["targets"] for line in maps[:-1]))
    check.same(
        "the walk counts them",
        [line["mappings"] for line in lines if line.get("action") == "walk-end"],
        [len(expected)],
    )
