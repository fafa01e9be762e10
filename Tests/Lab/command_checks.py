"""How the commands behaved in a guest: what guest/commands left, judged. DESIGN.md has the promises."""

import json
import re
import subprocess

from checks import Check

# Hooks whose function a kernel does not have, with why: doctor may call these missing, and no others.
ABSENT = {}


class Steps:
    """The directory of a guest's steps, and the tool to read their files with."""

    def __init__(self, tally, series, directory, tool):
        self.tally, self.series, self.tool = tally, series, tool
        self.directory = directory / "out/commands"

    def check(self, step):
        return Check(self.tally, f"{self.series} {step}")

    def path(self, name):
        return self.directory / name

    def ran(self, name):
        return self.path(f"{name}.status").exists()

    def text(self, name):
        return self.path(name).read_text(errors="replace") if self.path(name).exists() else ""

    def status(self, name):
        return int(self.text(f"{name}.status") or -1)

    def err(self, name):
        return self.text(f"{name}.err")

    def timeline(self, name):
        """The lines of a timeline, none if it is not one."""
        try:
            return [json.loads(line) for line in self.text(name).splitlines()]
        except ValueError:
            return []

    def host(self, *arguments):
        """Runs the tool here; file names are those of the steps."""
        paths = [str(self.path(a)) if isinstance(a, str) and self.path(a).is_file() else str(a) for a in arguments]
        return subprocess.run([str(self.tool), *paths], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)


def check_boot(tally, series, directory, tool):
    steps = Steps(tally, series, directory, tool)
    passed, failed = tally.passed, tally.failed
    for names, judge in ((["doctor"], doctor), (["no-privileges"], no_privileges), (["help"], usage), (["run-clean"], run), (["policy-suppressed", "run-stale"], policy), (["run-7"], statuses),
                         (["scope-command"], scope), (["fork-depth"], tree), (["trace-int"], signals), (["filter-pid"], filters),
                         (["sigkill-tool"], sigkill), (["disk-full"], disk_full), (["unwritable"], unwritable), (["loss"], loss),
                         (["late-start"], late_start), (["full"], full), (["hidden-by-bar"], hidden),
                         (["snapshot-idle"], snapshot_idle), (["snapshot-jsonl"], snapshot), (["snapshot-many"], snapshot_many),
                         (["client-qemu"], clients), (["late-modules"], late_modules)):
        if all(steps.ran(name) for name in names):
            judge(steps)
    no_crash(steps)
    print(f"lab: Linux {series}, commands: {tally.passed - passed} passed, {tally.failed - failed} failed", flush=True)


def ends(steps, name, status, *says):
    """A command's exit status, and what stderr has to say."""
    check = steps.check(name)
    check(f"status {status}", steps.status(name) == status, f"{steps.status(name)}: {brief(steps.err(name))}")
    for word in says:
        check(f"stderr says “{word}”", re.search(word, steps.err(name)) is not None, brief(steps.err(name)))
    return check


def brief(text):
    words = " / ".join(text.strip().splitlines())
    return words if len(words) < 300 else words[:150] + " … " + words[-150:]


def no_crash(steps):
    crashed = [path.name for path in sorted(steps.directory.glob("*.err"))
               if re.search(r"Fatal error|Backtrace|stack dump|Crashed|did not end", path.read_text(errors="replace"))]
    steps.check("commands")("nothing crashed or hung", not crashed, crashed)


def doctor(steps):
    for name in ("doctor", "doctor-attach"):
        check = ends(steps, name, 0)
        hooks = re.findall(r"^ +(\S+) +(missing\S*|\S+) +\S", steps.text(f"{name}.out").partition("hooks:")[2], re.M)
        check("lists hooks", len(hooks) > 30, len(hooks))
        missing = {hook for hook, how in hooks if how.startswith("missing")}
        check("no hook is missing but what this kernel has not", missing == ABSENT.get(steps.series, set()), missing)
    attached = re.search(r"attached and detached (\d+) of (\d+) hooks", steps.text("doctor-attach.out"))
    expected = len(ABSENT.get(steps.series, set()))
    steps.check("doctor-attach")("attaches every hook there is", attached and int(attached[2]) - int(attached[1]) == expected, attached and attached[0])


def no_privileges(steps):
    check = ends(steps, "no-privileges", 3, "root", "CAP_")
    check("in one line", len(steps.err("no-privileges").splitlines()) == 1, brief(steps.err("no-privileges")))
    check = ends(steps, "no-privileges-doctor", 3)
    check("says root", "root" in steps.text("no-privileges-doctor.out"), brief(steps.text("no-privileges-doctor.out")))


def usage(steps):
    ends(steps, "run-without-command", 2, "--")
    ends(steps, "unknown-option", 2, "no-such-option")
    ends(steps, "unknown-command", 2, "no-such-command")
    ends(steps, "bad-device", 2, "0000:02:00.0")
    ends(steps, "explain-unknown", 2, "no-such-rule", "stale-mapping")
    for name, word in (("help", "SUBCOMMANDS"), ("version", r"^\d+\.\d+"), ("rules", "stale-mapping"), ("explain", "What to do")):
        check = ends(steps, name, 0)
        check(f"prints “{word}”", re.search(word, steps.text(f"{name}.out")) is not None, brief(steps.text(f"{name}.out")))


def run(steps):
    ends(steps, "run-clean", 0, "no findings")
    check = ends(steps, "run-stale", 1, "stale-mapping", "HIGH|high")
    device = next(json.loads(line)["device"] for line in steps.text("run-stale.oracle").splitlines() if '"name":"ivshmem"' in line)
    check("stderr names the device and the command", device in steps.err("run-stale") and "workload" in steps.err("run-stale"), brief(steps.err("run-stale")))
    frame(check, steps.timeline("run-stale.jsonl"))
    live = steps.path("run-stale.jsonl").read_bytes()
    for what, arguments in (("export of the recording", ("export", "--format", "jsonl", "run-stale.vfs")),
                            ("export of the timeline", ("export", "--format", "jsonl", "run-stale.jsonl")),
                            ("audit of the recording", ("audit", "--format", "jsonl", "run-stale.vfs")),
                            ("audit of the timeline", ("audit", "--format", "jsonl", "run-stale.jsonl"))):
        result = steps.host(*arguments)
        check(f"{what} is the live timeline, byte for byte", result.stdout == live, difference(result.stdout, live))
        check.same(f"{what}: status", result.returncode, 1 if arguments[0] == "audit" else 0)


def difference(seen, expected):
    a, b = seen.splitlines(), expected.splitlines()
    for number, (x, y) in enumerate(zip(a, b), 1):
        if x != y:
            at = next((i for i, (p, q) in enumerate(zip(x, y)) if p != q), min(len(x), len(y)))
            return f"line {number} of {len(a)} and {len(b)}: …{x[max(0, at - 60):at + 60]!r}, not …{y[max(0, at - 60):at + 60]!r}"
    return f"{len(a)} lines, not {len(b)}"


def frame(check, lines):
    """A timeline begins with its header and ends with its summary; which is returned, or {}."""
    if not check("the timeline has a header and a summary", len(lines) > 1 and lines[0]["type"] == "header" and lines[-1]["type"] == "summary",
                 [line["type"] for line in lines[:1] + lines[-1:]]):
        return {}
    summary = lines[-1]
    check.same("attempted is delivered and lost", summary["attempted"], summary["delivered"] + summary["lost"])
    return summary


def policy(steps):
    check = ends(steps, "policy-suppressed", 0, "suppressed by policy.toml:2", "LAB-1")
    lines = steps.timeline("policy-suppressed.jsonl")
    found = [line for line in lines if line["type"] == "finding" and line["rule"] == "stale-mapping"]
    check("the finding is in the timeline, with the reason", found and all(line.get("suppressed") == "LAB-1" for line in found), found[:1])
    check("and counts as suppressed alone", lines and lines[-1].get("suppressed") == 1 and not any(lines[-1]["findings"].values()), lines[-1:])
    # The same judgement from the recording of a run without a policy, whose status was 1.
    for name, text, status in (("severity", '[rules.stale-mapping]\nseverity = "low"', 0), ("off", '[rules.stale-mapping]\nseverity = "off"', 0),
                               ("debounce", '[rules.stale-mapping]\ndebounce = "1m"', 0),
                               ("allow", '[[allow]]\ncommands = ["work*"]\nreason = "x"', 0), ("other", '[[allow]]\ncommands = ["other"]\nreason = "x"', 1),
                               ("expired", '[[suppress]]\nrules = ["stale-mapping"]\nreason = "x"\nexpires = 2020-01-01', 1)):
        path = steps.path(f"audit-{name}.toml")
        path.write_text(f"version = 1\n{text}\n")
        check.same(f"audit with policy “{name}” gives", steps.host("audit", "--policy", path, "run-stale.vfs").returncode, status)
    check = ends(steps, "policy-wrong", 2, r"wrong.toml:2:\d+: .*stale-maping", "did you mean 'stale-mapping'")
    check.same("the command has not run", steps.text("policy-wrong.flag"), "")
    ends(steps, "policy-missing", 3, "/no/such/policy")


def statuses(steps):
    ends(steps, "run-7", 7)
    ends(steps, "run-killed", 128 + 11)
    ends(steps, "run-nothing", 3, "/no/such/command", "No such file")
    ends(steps, "run-interrupted", 128 + 15)


def scope(steps):
    ends(steps, "scope-command", 0, "do(es)? not count", "--scope host")
    ends(steps, "scope-host", 1, "stale-mapping")


def tree(steps):
    ends(steps, "fork-depth", 1, "stale-mapping")
    ends(steps, "daemon", 1, "stale-mapping")
    ends(steps, "left-behind", 1, "stale-mapping")


def signals(steps):
    check = ends(steps, "trace-int", 1, "1 high")
    summary = frame(check, steps.timeline("trace-int.out"))
    check("complete", summary.get("complete") is True, summary)
    check("the finding is in it", any(line["type"] == "finding" and line["severity"] == "high" for line in steps.timeline("trace-int.out")))
    check = ends(steps, "trace-term", 1)
    check("text names the finding", "stale-mapping" in steps.text("trace-term.out"), brief(steps.text("trace-term.out")))


def filters(steps):
    pid, device = int(steps.text("filters.pid")), steps.text("filters.device").strip()

    edu = next(json.loads(line)["device"] for line in steps.text("filters.oracle").splitlines() if '"name":"edu"' in line)

    def about_device(line):
        return line.get("device") == device or any(target["device"] == device for target in line.get("targets", []))

    # A finding is a process's when its mapping or the device is.
    matches = {
        "filter-pid": lambda line: line["type"] == "finding" or line.get("pid") == pid,
        "filter-device": about_device,
        # What a device does is its container's: edu is all that c1 has.
        "filter-container": lambda line: line["container"] == "c1" if "container" in line else line.get("device") == edu,
    }
    for name, matching in matches.items():
        check = ends(steps, name, 1)
        lines = steps.timeline(f"{name}.out")
        frame(check, lines)
        wrong = [line for line in lines[1:-1] if line["type"] != "gap" and not matching(line)]
        check("shows only what matches", not wrong, f"{len(wrong)}, {wrong[:1]}")
        for kind in ("map", "finding"):
            check(f"shows a {kind}", any(line["type"] == kind for line in lines))


def sigkill(steps):
    check = ends(steps, "sigkill-tool", 128 + 9)
    result = steps.host("audit", "sigkill-tool.vfs")
    said = result.stderr.decode(errors="replace")
    check("audit finds what was recorded", result.returncode == 1 and b"stale-mapping" in result.stdout, (result.returncode, result.stdout[-200:]))
    check("audit says that it was cut short", re.search("cut short|no end block", said) is not None, brief(said))
    check.same("audit --fail-on critical gives", steps.host("audit", "--fail-on", "critical", "sigkill-tool.vfs").returncode, 4)
    lines = [json.loads(line) for line in steps.host("export", "--format", "jsonl", "sigkill-tool.vfs").stdout.splitlines()]
    check("its summary is not complete", lines[-1]["type"] == "summary" and lines[-1]["complete"] is False, lines[-1])
    # The workload ended two seconds before the tool did: more than the second that a SIGKILL may cost.
    ended = [line for line in lines if line["type"] == "container" and line["action"] == "release"]
    check("all that happened is in it", len(ended) == 1, len(ended))


def disk_full(steps):
    check = ends(steps, "disk-full", 3, "No space left")
    result = steps.host("export", "--format", "jsonl", "disk-full.vfs")
    maps = result.stdout.count(b'"type":"map"')
    check("what is there still reads", result.returncode == 4 and maps > 0, (result.returncode, maps, brief(result.stderr.decode())))
    ends(steps, "disk-full-timeline", 3, "No space left")


def unwritable(steps):
    ends(steps, "unwritable", 3, "/no/such/directory/x")
    ends(steps, "closed-pipe", 3, "stdout was closed|closed by its reader|[Bb]roken pipe")


def loss(steps):
    """What was lost is made good from the kernel's state: the verdict stands, unless the gate insists on complete evidence."""
    check = ends(steps, "loss", 0, "lost", "state after each loss was read")
    lines = steps.timeline("loss.jsonl")
    summary = frame(check, lines)
    check("some were lost", summary.get("lost", 0) > 0 and summary.get("complete") is False, summary)
    gaps = [line for line in lines if line["type"] == "gap" and line["action"] == "lost"]
    check.same("the gaps add up to what was lost", sum(gap["lost"] for gap in gaps), summary.get("lost"))
    check("each gap has its time", all(gap["since"] <= gap["until"] for gap in gaps), gaps[:1])
    ends_of = [line for line in lines if line["type"] == "gap" and line["action"] == "snapshot-end"]
    # One during which more was lost says nothing.
    check("the first snapshot precedes the losses, others follow", len(ends_of) > 1 and ends_of[0].get("first") and all(s.get("after_loss", True) for s in ends_of[1:]),
          ends_of[:3])
    check("the last one comes after the last gap", ends_of and gaps and "added" in ends_of[-1] and ends_of[-1]["t"] >= gaps[-1]["t"], (ends_of[-1:], gaps[-1:]))
    for name in ("loss.vfs", "loss.jsonl"):
        check.same(f"audit of {name} gives", steps.host("audit", name).returncode, 0)
        check.same(f"audit of {name} with --require-complete gives", steps.host("audit", "--require-complete", name).returncode, 4)
    # Nothing is left open when the workload has cleaned up, whatever was lost on the way.
    result = steps.host("export", "--format", "json", "loss.vfs")
    graph = json.loads(result.stdout or b"{}")
    check("the graph is empty in the end", graph.get("containers") == [] and not any(device["open"] for device in graph.get("devices", [])),
          brief(result.stdout.decode())[:300])
    if steps.ran("loss-stale"):
        loss_stale(steps)


def loss_stale(steps):
    """One record in three is lost, and the stale mapping is found all the same."""
    check = ends(steps, "loss-stale", 1, "stale-mapping")
    lines = steps.timeline("loss-stale.jsonl")
    summary = frame(check, lines)
    check("some were lost", summary.get("lost", 0) > 0, summary)
    opened = [line for line in lines if line["type"] == "finding" and line["rule"] == "stale-mapping" and line["state"] == "open"]
    check("the finding says that it comes after a gap", opened and all(line.get("after_gap") for line in opened), opened[:1])


def late_start(steps):
    check = ends(steps, "late-start", 1)
    check.same("the workload ends well", steps.status("late-stale"), 0)
    oracle = [json.loads(line) for line in steps.text("late-stale.oracle").splitlines()]
    ivshmem = next(line["device"] for line in oracle if line["op"] == "device-open" and line["name"] == "ivshmem")
    check("the device's memory was read after its release", any(line["op"] == "edu-dma" and line["ok"] for line in oracle), [line["op"] for line in oracle])
    lines = steps.timeline("late-start.out")
    check("complete", frame(check, lines).get("complete") is True)
    window = [line for line in lines if line["type"] == "map" and line["iova"] == "0x200000"]
    check.same("the mapping is known by the snapshot alone, target and all", [(line["provenance"], line["targets"]) for line in window],
               [("snapshot", [{"device": ivshmem, "bar": 2, "bar_offset": 0, "iova": "0x200000", "size": 0x200000}])])
    release = next(line["t_after"] for line in oracle if line["op"] == "release" and line["device"] == ivshmem)
    findings = [line for line in lines if line["type"] == "finding" and line["rule"] == "stale-mapping"]
    check.same("it is found stale when its device goes, until it is unmapped", [(line["state"], line["device"]) for line in findings],
               [("open", ivshmem), ("resolved", ivshmem)])
    check("since the release", findings and abs(findings[0]["since"] - release) < 100_000_000, (findings[:1], release))
    check.same("audit gives", steps.host("audit", "late-start.out").returncode, 1)


def full(steps):
    check = steps.check("full-workload")
    check.same("the workload ends well", steps.status("full-workload"), 0)
    oracle = [json.loads(line) for line in steps.text("full-workload.oracle").splitlines()]
    many = next(line for line in oracle if line["op"] == "map-many")
    available = next(line["available"] for line in oracle if line["op"] == "dma-available")
    check.same("the container is full by the kernel's own count", (many["count"], many["failed"], available), (65535, 0, 0))
    print(f"lab: Linux {steps.series}: 65,535 maps in {(many['t_after'] - many['t_before']) / 1e9:.1f} s with the tool stopped", flush=True)

    check = ends(steps, "full", 0, "snapshot: 1 container, 65535 mappings, 0 differences")
    result = steps.host("export", "--format", "jsonl", "full.vfs")
    lines = result.stdout.splitlines()
    summary = json.loads(lines[-1])
    check("nothing lost while the tool was stopped", summary["lost"] == 0 and summary["complete"] is True, summary)
    observed = {line.split(b'"iova":"')[1].split(b'"')[0] for line in lines if b'"type":"map"' in line and b'"provenance":"observed"' in line}
    check.same("every map was seen", len(observed), 65535)
    removed = sum(1 for line in lines if b'"type":"unmap","action":"removed"' in line)
    check.same("and every removal", removed, 65535)

    check = ends(steps, "full-snapshot", 0)
    lines = [json.loads(line) for line in steps.text("full-snapshot.lines").splitlines()]
    frame(check, lines)
    check.same("65,535 different mappings, each once", steps.text("full-snapshot.count").split(), ["65535", "65535"])
    check.same("the walk counts them", [line["mappings"] for line in lines if line.get("action") == "walk-end"], [65535])
    begin, end = (next(line["t"] for line in lines if line.get("action") == f"snapshot-{which}") for which in ("begin", "end"))
    print(f"lab: Linux {steps.series}: snapshot of 65,535 mappings in {(end - begin) / 1e9:.2f} s", flush=True)


def hidden(steps):
    for how in ("by-bar", "in-flight"):
        name = f"hidden-{how}"
        check = ends(steps, name, 0)
        check.same("the workload ends well", steps.status(f"{name}-workload"), 0)
        check.same("no descriptor of the process leads to VFIO", steps.text(f"{name}.descriptors"), "")
        oracle = [json.loads(line) for line in steps.text(f"{name}-workload.oracle").splitlines()]
        mapped = {line["iova"]: line["size"] for line in oracle if line["op"] == "map" and line["ret"] == 0}
        device, group = next((line["device"], line["group"]) for line in oracle if line["op"] == "device" and line["name"] == "ivshmem")
        graph = json.loads(steps.text(f"{name}.out") or "{}")
        check.same("one container, with the group and the mappings", [(c["groups"], {m["iova"]: m["size"] for m in c["mappings"]}) for c in graph.get("containers", [])],
                   [([group], mapped)])
        opened = [line for line in graph.get("devices", []) if line["open"]]
        check.same("the device is open, as the snapshot shows", [(line["device"], line["provenance"]) for line in opened], [(device, "snapshot")])
        pid = next(line["pid"] for line in oracle)
        check.same("held by", [line.get("pid") for line in opened], [pid if how == "by-bar" else None])


def snapshot_idle(steps):
    check = ends(steps, "snapshot-idle", 0)
    check("says that no container is open", "No container" in steps.text("snapshot-idle.out"), brief(steps.text("snapshot-idle.out")))


def snapshot(steps):
    """The workload was stopped with a mapping of closed ivshmem's BAR in force, its VMA gone: what the oracle had said by then is the truth."""
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
    if not check("it was stopped with edu open, ivshmem closed and two mappings",
                 set(device) == {"edu", "ivshmem"} and len(in_force) == 2 and oracle[-1]["op"] == "release", [line["op"] for line in oracle[-4:]]):
        return
    check("no VMA but that of edu's registers", steps.text("snapshot-workload.maps").count("\n") <= 1,
          brief(steps.text("snapshot-workload.maps")))
    edu, ivshmem = device["edu"], device["ivshmem"]

    check = ends(steps, "snapshot-jsonl", 0)
    lines = steps.timeline("snapshot-jsonl.out")
    summary = frame(check, lines)
    check("complete, nothing lost", summary.get("complete") is True and summary["attempted"] == summary["delivered"] > 0, summary)
    actions = {}
    for line in lines[1:-1]:
        actions.setdefault((line["type"], line.get("action")), []).append(line)
    check.same("one snapshot, which ends", [len(actions.get(("gap", f"snapshot-{end}"), [])) for end in ("begin", "end")], [1, 1])

    maps = actions.get(("map", None), [])
    check.same("the mappings in force, no others", sorted((line["iova"], line["size"]) for line in maps), sorted(in_force.items()))
    check("their provenance is snapshot, their process the workload", all(line["provenance"] == "snapshot" and line["pid"] == pid for line in maps), maps[:1])
    window = next((line for line in maps if line["iova"] == "0x200000"), {})
    check.same("the stale mapping's target", window.get("targets"),
               [{"device": ivshmem, "bar": 2, "bar_offset": 0, "iova": "0x200000", "size": 0x200000}])
    check("edu's page is RAM", all(line["targets"] == [] and line["ram"] == line["size"] for line in maps if line is not window), maps)
    walks = actions.get(("container", "walk-end"), [])
    check.same("each walk counts its mappings", sorted(line["mappings"] for line in walks), [0, 2])

    containers = actions.get(("container", "present"), [])
    check("two containers of type 1 v2", len(containers) == 2 and all(line["iommu_type"] == 3 and line["provenance"] == "snapshot" for line in containers), containers)
    where = {line["group"]: line["container"] for line in actions.get(("group", "present"), []) if line["container"]}
    check("each device's group is in one of them, and edu's has the mappings",
          set(where) == {group[edu], group[ivshmem]} and set(where.values()) == {line["container"] for line in containers}
          and all(line["container"] == where[group[edu]] for line in maps), where)
    present = {line["device"]: line for line in actions.get(("device", "present"), [])}
    check("edu is open", present.get(edu, {}).get("open_count", 0) >= 1 and present[edu]["group"] == group[edu], present.get(edu))
    check("ivshmem is closed", present.get(ivshmem, {}).get("open_count") == 0 and present[ivshmem]["group"] == group[ivshmem], present.get(ivshmem))
    check("no other device is open", all(line["open_count"] == 0 for address, line in present.items() if address != edu), sorted(present))

    held = {kind: actions.get((kind, "held"), []) for kind in ("container", "group", "device")}
    check("every holder is the workload", all(line["pid"] == pid and line["comm"] == "workload" for kind in held for line in held[kind]), held)
    check.same("it holds both containers", {line["container"] for line in held["container"]}, {line["container"] for line in containers})
    check.same("it holds both groups", {line["group"] for line in held["group"]}, set(where))
    check.same("it holds edu alone", {line["device"] for line in held["device"]}, {edu})
    live = steps.path("snapshot-jsonl.out").read_bytes()
    result = steps.host("export", "--format", "jsonl", "snapshot-jsonl.out")
    check("export is the same, byte for byte", result.stdout == live, difference(result.stdout, live))
    check.same("export: status", result.returncode, 0)

    check = ends(steps, "snapshot-text", 0)
    text = steps.text("snapshot-text.out")
    for what, pattern in (("the holder", rf"workload \(pid {pid}\)"), ("edu open", rf"{edu} .*open by workload"), ("ivshmem closed", rf"{ivshmem} .*closed"),
                          ("edu's page", r"RAM"), ("the stale mapping", rf"0x200000-0x3fffff .*→ {ivshmem} BAR2\+0x0")):
        check(f"shows {what}", re.search(pattern, text) is not None, brief(text))


def snapshot_many(steps):
    """More than one step of the walk, and the one of device memory in the last."""
    oracle = [json.loads(line) for line in steps.text("snapshot-many-workload.stopped").splitlines()]
    many, last = ([line for line in oracle if line["op"] == op] for op in ("map-many", "map"))
    check = steps.check("snapshot-many-workload")
    check.same("the workload ends well", steps.status("snapshot-many-workload"), 0)
    if not check("it was stopped with its mappings", len(many) == len(last) == 1 and many[0]["failed"] == last[0]["ret"] == 0, [line["op"] for line in oracle[-4:]]):
        return
    expected = [(int(many[0]["iova"], 16) + i * many[0]["stride"], many[0]["size"]) for i in range(many[0]["count"])]
    expected.append((int(last[0]["iova"], 16), last[0]["size"]))
    check = ends(steps, "snapshot-many", 0)
    lines = steps.timeline("snapshot-many.out")
    summary = frame(check, lines)
    check("complete, nothing lost", summary.get("complete") is True and summary["attempted"] == summary["delivered"], summary)
    maps = [line for line in lines if line["type"] == "map"]
    check.same("each mapping once, ascending", [(int(line["iova"], 16), line["size"]) for line in maps], expected)
    ivshmem = next(line["device"] for line in oracle if line["op"] == "device-open" and line["name"] == "ivshmem")
    check.same("the last one's target", maps[-1]["targets"] if maps else None,
               [{"device": ivshmem, "bar": 2, "bar_offset": 0, "iova": last[0]["iova"], "size": last[0]["size"]}])
    check("the others are RAM", all(not line["targets"] for line in maps[:-1]))
    check.same("the walk counts them", [line["mappings"] for line in lines if line.get("action") == "walk-end"], [len(expected)])


def clients(steps):
    """Real programs do nothing that is wrong, and the graph is what they did."""
    ids = {"edu": ("0x1234", "0x11e8"), "ivshmem": ("0x1af4", "0x1110"), "e1000e": ("0x8086", "0x10d3")}
    for name, devices, command in (("client-qemu", ("edu", "ivshmem"), "qemu-system-x86"), ("client-testpmd", ("e1000e",), "dpdk-testpmd")):
        check = ends(steps, name, 0)
        lines = steps.timeline(f"{name}.jsonl")
        check("complete", frame(check, lines).get("complete") is True)
        if not lines:
            continue
        loud = [line["message"] for line in lines if line["type"] == "finding" and line["severity"] != "info"]
        check("no finding above info", not loud, loud[:2])
        address = {other: line["device"] for line in lines[0]["devices"] for other, wanted in ids.items() if (line["vendor"], line["device_id"]) == wanted}
        opened = {line["device"] for line in lines if line["type"] == "device" and line["action"] == "first-open" and line["comm"] == command}
        check.same("it opens its devices", opened, {address[device] for device in devices})
        maps = [line for line in lines if line["type"] == "map" and line["result"] == 0]
        check("it maps memory of its own", sum(line["ram"] for line in maps) > 32 << 20, len(maps))
        targets = {target["device"] for line in maps for target in line["targets"]}
        # QEMU puts the BARs of every assigned device into the guest's address space, where all of them can reach it.
        check("and device memory of its own devices only", targets <= opened and (command != "qemu-system-x86" or address["ivshmem"] in targets), targets)
        result = steps.host("export", "--format", "json", f"{name}.jsonl")
        graph = json.loads(result.stdout or b"{}")
        check("nothing is left when it has ended", graph.get("containers") == [] and not any(device["open"] for device in graph["devices"]), result.stdout[:200])
    names = {line.get("vm") for line in steps.timeline("client-qemu.jsonl") if line["type"] == "process"}
    steps.check("client-qemu")("the VM is known by its name", "lab-vm" in names, names)


def late_modules(steps):
    steps.check("late-modules")("VFIO was gone", not steps.text("late-modules.left"), brief(steps.text("late-modules.left")))
    ends(steps, "not-loaded", 3, "modprobe")
    check = ends(steps, "not-loaded-doctor", 3)
    check("doctor says modprobe", "modprobe" in steps.text("not-loaded-doctor.out"))
    # Traced from the moment it could be.
    check = ends(steps, "late-modules", 0)
    lines = exported(steps, check, "late-modules.vfs", 0)
    check("the finding is in it", any(line["type"] == "finding" and line["rule"] == "stale-mapping" for line in lines))
    # The header was written before VFIO came; the recording's last session block has what was attached then.
    hooks = dict(re.findall(rb"^hook=(\S+) \S+ (\S+)", steps.path("late-modules.vfs").read_bytes(), re.M))
    missing = {name.decode() for name, how in hooks.items() if how.startswith(b"missing")}
    check("the recording's session has the hooks attached later", hooks and missing == ABSENT.get(steps.series, set()), missing)
    check.same("audit gives", steps.host("audit", "late-modules.vfs").returncode, 1)
    # VFIO is used before the tool can attach: what it did not see it must not call clean.
    check = steps.check("late-modules-at-once")
    result = steps.host("audit", "late-modules-at-once.vfs")
    check("audit finds it, or says that evidence is missing", result.returncode in (1, 4), (result.returncode, brief(result.stdout.decode())))


def exported(steps, check, name, status):
    """The lines of a recording's timeline."""
    result = steps.host("export", "--format", "jsonl", name)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    check(f"export gives {status}", result.returncode == status, (result.returncode, brief(result.stderr.decode())))
    frame(check, lines)
    return lines
