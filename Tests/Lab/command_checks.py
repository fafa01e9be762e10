# SPDX-License-Identifier: Apache-2.0
"""Judges how the commands behaved in a guest: what guest/commands left."""

import json
import re

import iommufd_checks
import name_checks
import snapshot_checks
import teardown_checks
from steps import Steps, brief, difference, ends, exported, frame


def absent(series):
    """The hooks that doctor may call missing, because a kernel has no function or no use for them.
    dma-bufs of device memory came with 6.19. Since 6.10 the kernel zaps BARs without a list of their
    areas, so no copy of one can be absent from it.
    """
    dma_bufs = set() if series == "7.3" else {"dma-buf-export", "dma-buf-move", "dma-buf-release"}
    return dma_bufs if series == "6.1" else {*dma_bufs, "bar-copy"}


def judges():
    """Every step of guest/commands, in order, with commands that it runs and the function that judges
    them.
    """
    return (
        ("doctor", ["doctor"], doctor),
        ("no-privileges", ["no-privileges"], no_privileges),
        ("usage", ["help"], usage),
        ("run", ["run-clean"], run),
        ("policy", ["policy-suppressed", "run-stale"], policy),
        ("status", ["run-7"], statuses),
        ("scope", ["scope-command"], scope),
        ("tree", ["fork-depth"], tree),
        ("signals", ["trace-int"], signals),
        ("filters", ["filter-pid"], filters),
        ("sigkill", ["sigkill-tool"], sigkill),
        ("disk-full", ["disk-full"], disk_full),
        ("unwritable", ["unwritable"], unwritable),
        ("teardown", ["teardown-exit", "teardown-one-open"], teardown_checks.teardown),
        ("loss", ["loss"], snapshot_checks.loss),
        ("loss", ["loss-stale"], snapshot_checks.loss_stale),
        ("late-start", ["late-start"], snapshot_checks.late_start),
        ("full", ["full"], snapshot_checks.full),
        ("hidden", ["hidden-by-bar"], snapshot_checks.hidden),
        ("kept-bar", ["kept-bar"], snapshot_checks.kept_bar),
        ("exec-kept", ["exec-kept", "exit-kept"], snapshot_checks.exec_kept),
        ("snapshot", ["snapshot-idle"], snapshot_checks.snapshot_idle),
        ("snapshot", ["snapshot-jsonl"], snapshot_checks.snapshot),
        ("snapshot", ["snapshot-many"], snapshot_checks.snapshot_many),
        ("names", ["names-reexec"], name_checks.names),
        ("clients", ["client-qemu"], clients),
        ("late-modules", ["late-modules"], late_modules),
        ("iommufd", ["iommufd-doctor"], iommufd_checks.iommufd),
        ("only-iommufd", ["only-iommufd-doctor"], iommufd_checks.only_iommufd),
        ("unknown-targets", ["unknown-doctor"], snapshot_checks.unknown_targets),
    )


def check_boot(tally, series, directory, tool, asked):
    """A step that was asked for and left nothing is a failure."""
    steps = Steps(tally, series, directory, tool)
    for step, names, judge in judges():
        if step not in asked:
            continue
        missing = [name for name in names if not steps.ran(name)]
        steps.check(judge.__name__)("its commands have run", not missing, missing)
        if not missing:
            judge(steps)
    no_crash(steps)


def no_crash(steps):
    crashed = [
        path.name
        for path in sorted(steps.directory.glob("*.err"))
        if re.search(r"Fatal error|Backtrace|stack dump|Crashed|did not end", path.read_text(errors="replace"))
    ]
    steps.check("commands")("nothing crashed or hung", not crashed, crashed)


def doctor(steps):
    for name in ("doctor", "doctor-attach"):
        check = ends(steps, name, 0)
        hooks = re.findall(r"^ +(\S+) +(missing\S*|\S+) +\S", steps.text(f"{name}.out").partition("hooks:")[2], re.M)
        check("lists hooks", len(hooks) > 30, len(hooks))
        missing = {hook for hook, how in hooks if how.startswith("missing")}
        check("only hooks that this kernel lacks are missing", missing == absent(steps.series), missing)
    attached = re.search(r"attached and detached (\d+) of (\d+) hooks", steps.text("doctor-attach.out"))
    expected = len(absent(steps.series))
    steps.check("doctor-attach")(
        "attaches every available hook",
        attached and int(attached[2]) - int(attached[1]) == expected,
        attached and attached[0],
    )


def no_privileges(steps):
    check = ends(steps, "no-privileges", 3, "root", "CAP_")
    check("in one line", len(steps.err("no-privileges").splitlines()) == 1, brief(steps.err("no-privileges")))
    check = ends(steps, "no-privileges-doctor", 3)
    check(
        "mentions root", "root" in steps.text("no-privileges-doctor.out"), brief(steps.text("no-privileges-doctor.out"))
    )


def usage(steps):
    ends(steps, "run-without-command", 2, "--")
    ends(steps, "unknown-option", 2, "no-such-option")
    ends(steps, "unknown-command", 2, "no-such-command")
    ends(steps, "bad-device", 2, "0000:02:00.0")
    ends(steps, "explain-unknown", 2, "no-such-rule", "stale-mapping")
    for name, word in (
        ("help", "SUBCOMMANDS"),
        ("version", r"^\d+\.\d+"),
        ("rules", "stale-mapping"),
        ("explain", "What to do"),
    ):
        check = ends(steps, name, 0)
        check(
            f"prints “{word}”", re.search(word, steps.text(f"{name}.out")) is not None, brief(steps.text(f"{name}.out"))
        )


def run(steps):
    ends(steps, "run-clean", 0, "no findings")
    check = ends(steps, "run-stale", 1, "stale-mapping", "HIGH|high")
    device = next(
        json.loads(line)["device"] for line in steps.text("run-stale.oracle").splitlines() if '"name":"ivshmem"' in line
    )
    check(
        "stderr names the device and the command",
        device in steps.err("run-stale") and "workload" in steps.err("run-stale"),
        brief(steps.err("run-stale")),
    )
    frame(check, steps.timeline("run-stale.jsonl"))
    live = steps.path("run-stale.jsonl").read_bytes()
    for what, arguments in (
        ("export of the recording", ("export", "--format", "jsonl", "run-stale.vfs")),
        ("export of the timeline", ("export", "--format", "jsonl", "run-stale.jsonl")),
        ("audit of the recording", ("audit", "--format", "jsonl", "run-stale.vfs")),
        ("audit of the timeline", ("audit", "--format", "jsonl", "run-stale.jsonl")),
    ):
        result = steps.host(*arguments)
        check(f"{what} is the live timeline, byte for byte", result.stdout == live, difference(result.stdout, live))
        check.same(f"{what}: status", result.returncode, 1 if arguments[0] == "audit" else 0)


def policy(steps):
    check = ends(steps, "policy-suppressed", 0, "suppressed by policy.toml:2", "LAB-1")
    lines = steps.timeline("policy-suppressed.jsonl")
    found = [line for line in lines if line["type"] == "finding" and line["rule"] == "stale-mapping"]
    check(
        "the finding is in the timeline, with the reason",
        found and all(line.get("suppressed") == "LAB-1" for line in found),
        found[:1],
    )
    check(
        "and counts as suppressed alone",
        lines and lines[-1].get("suppressed") == 1 and not any(lines[-1]["findings"].values()),
        lines[-1:],
    )
    # The same judgement from the recording of a run without a policy, whose status was 1.
    for name, text, status in (
        ("severity", '[rules.stale-mapping]\nseverity = "low"', 0),
        ("off", '[rules.stale-mapping]\nseverity = "off"', 0),
        ("debounce", '[rules.stale-mapping]\ndebounce = "1m"', 0),
        ("allow", '[[allow]]\ncommands = ["work*"]\nreason = "x"', 0),
        ("other", '[[allow]]\ncommands = ["other"]\nreason = "x"', 1),
        ("expired", '[[suppress]]\nrules = ["stale-mapping"]\nreason = "x"\nexpires = 2020-01-01', 1),
    ):
        path = steps.path(f"audit-{name}.toml")
        path.write_text(f"version = 1\n{text}\n")
        check.same(
            f"audit with policy “{name}” ends with",
            steps.host("audit", "--policy", path, "run-stale.vfs").returncode,
            status,
        )
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
    check(
        "the finding is in it",
        any(line["type"] == "finding" and line["severity"] == "high" for line in steps.timeline("trace-int.out")),
    )
    check = ends(steps, "trace-term", 1)
    check(
        "text names the finding", "stale-mapping" in steps.text("trace-term.out"), brief(steps.text("trace-term.out"))
    )


def filters(steps):
    pid, device = int(steps.text("filters.pid")), steps.text("filters.device").strip()

    edu = next(
        json.loads(line)["device"] for line in steps.text("filters.oracle").splitlines() if '"name":"edu"' in line
    )

    def about_device(line):
        return line.get("device") == device or any(target["device"] == device for target in line.get("targets", []))

    # A finding belongs to a process that has the mapping or the device.
    matches = {
        "filter-pid": lambda line: line["type"] == "finding" or line.get("pid") == pid,
        "filter-device": about_device,
        # A device's events belong to its container: c1 has edu alone.
        "filter-container": lambda line: (
            line["container"] == "c1" if "container" in line else line.get("device") == edu
        ),
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
    messages = result.stderr.decode(errors="replace")
    check(
        "audit finds what was recorded",
        result.returncode == 1 and b"stale-mapping" in result.stdout,
        (result.returncode, result.stdout[-200:]),
    )
    check(
        "audit reports that it was cut short",
        re.search("cut short|no end block", messages) is not None,
        brief(messages),
    )
    check.same(
        "audit --fail-on critical ends with",
        steps.host("audit", "--fail-on", "critical", "sigkill-tool.vfs").returncode,
        4,
    )
    lines = [
        json.loads(line) for line in steps.host("export", "--format", "jsonl", "sigkill-tool.vfs").stdout.splitlines()
    ]
    check("its summary is not complete", lines[-1]["type"] == "summary" and lines[-1]["complete"] is False, lines[-1])
    # The workload ended two seconds before the tool did; a SIGKILL may cost one second.
    ended = [line for line in lines if line["type"] == "container" and line["action"] == "release"]
    check("the workload's last event is in it", len(ended) == 1, len(ended))


def disk_full(steps):
    check = ends(steps, "disk-full", 3, "No space left")
    result = steps.host("export", "--format", "jsonl", "disk-full.vfs")
    maps = result.stdout.count(b'"type":"map"')
    check(
        "what is there still reads",
        result.returncode == 4 and maps > 0,
        (result.returncode, maps, brief(result.stderr.decode())),
    )
    ends(steps, "disk-full-timeline", 3, "No space left")


def unwritable(steps):
    ends(steps, "unwritable", 3, "/no/such/directory/x")
    ends(steps, "closed-pipe", 3, "stdout was closed|closed by its reader|[Bb]roken pipe")


def clients(steps):
    """Real programs cause no finding, and the graph shows what they did."""
    ids = {"edu": ("0x1234", "0x11e8"), "ivshmem": ("0x1af4", "0x1110"), "e1000e": ("0x8086", "0x10d3")}
    for name, devices, command in (
        ("client-qemu", ("edu", "ivshmem"), "qemu-system-x86"),
        ("client-testpmd", ("e1000e",), "dpdk-testpmd"),
    ):
        check = ends(steps, name, 0)
        lines = steps.timeline(f"{name}.jsonl")
        check("complete", frame(check, lines).get("complete") is True)
        if not lines:
            continue
        loud = [line["message"] for line in lines if line["type"] == "finding" and line["severity"] != "info"]
        check("no finding above info", not loud, loud[:2])
        address = {
            other: line["device"]
            for line in lines[0]["devices"]
            for other, wanted in ids.items()
            if (line["vendor"], line["device_id"]) == wanted
        }
        opened = {
            line["device"]
            for line in lines
            if line["type"] == "device" and line["action"] == "first-open" and line["comm"] == command
        }
        check.same("it opens its devices", opened, {address[device] for device in devices})
        maps = [line for line in lines if line["type"] == "map" and line["result"] == 0]
        check("it maps memory of its own", sum(line["ram"] for line in maps) > 32 << 20, len(maps))
        targets = {target["device"] for line in maps for target in line["targets"]}
        # QEMU puts the BARs of every assigned device into the guest's address space, where all of
        # them can reach it.
        check(
            "and device memory of its own devices only",
            targets <= opened and (command != "qemu-system-x86" or address["ivshmem"] in targets),
            targets,
        )
        result = steps.host("export", "--format", "json", f"{name}.jsonl")
        graph = json.loads(result.stdout or b"{}")
        check(
            "nothing is left when it has ended",
            graph.get("containers") == [] and not any(device["open"] for device in graph["devices"]),
            result.stdout[:200],
        )
    names = {line.get("vm") for line in steps.timeline("client-qemu.jsonl") if line["type"] == "process"}
    steps.check("client-qemu")("the VM is known by its name", "lab-vm" in names, names)
    uuids = {line.get("vm_uuid") for line in steps.timeline("client-qemu.jsonl") if line["type"] == "process"}
    steps.check("client-qemu")("and by its UUID", "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b10" in uuids, uuids)


def late_modules(steps):
    steps.check("late-modules")(
        "VFIO was gone", not steps.text("late-modules.left"), brief(steps.text("late-modules.left"))
    )
    ends(steps, "not-loaded", 3, "modprobe")
    check = ends(steps, "not-loaded-doctor", 3)
    check("doctor advises modprobe", "modprobe" in steps.text("not-loaded-doctor.out"))
    # Traced from the moment it could be.
    check = ends(steps, "late-modules", 0)
    lines = exported(steps, check, "late-modules.vfs", 0)
    check("the finding is in it", any(line["type"] == "finding" and line["rule"] == "stale-mapping" for line in lines))
    # The header was written before VFIO came; the recording's last session block has what was
    # attached then.
    hooks = dict(re.findall(rb"^hook=(\S+) \S+ (\S+)", steps.path("late-modules.vfs").read_bytes(), re.M))
    missing = {name.decode() for name, how in hooks.items() if how.startswith(b"missing")}
    check("the recording's session has the hooks attached later", hooks and missing == absent(steps.series), missing)
    check.same("audit ends with", steps.host("audit", "late-modules.vfs").returncode, 1)
    # VFIO is used before the tool can attach: it must not call clean what it has not seen.
    check = steps.check("late-modules-at-once")
    result = steps.host("audit", "late-modules-at-once.vfs")
    check(
        "audit finds it, or reports that evidence is missing",
        result.returncode in (1, 4),
        (result.returncode, brief(result.stdout.decode())),
    )


# Those for the kernel with iommufd alone, and those for other machines (guest.VARIANTS).
IOMMUFD_STEPS = ["iommufd", "only-iommufd"]
VARIANT_STEPS = ["unknown-targets"]
# Without doubles, in the order in which a guest runs them.
STEPS = [
    step
    for step in dict.fromkeys(step for step, _, _ in judges())
    if step not in IOMMUFD_STEPS and step not in VARIANT_STEPS
]
