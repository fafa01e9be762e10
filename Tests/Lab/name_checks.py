# SPDX-License-Identifier: Apache-2.0
"""Checks that the tool knows processes by their names, and which processes count as one owner."""

import json
import subprocess

import schema_check
from steps import difference, ends, frame

UUID = "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b1"
ID = "0123456789abcdef" * 4
POD = "1b8a4c1e-6c4f-4d62-9a0e-0d5b6c7e8f90"
LIBVIRT = {"unit": "machine-qemu-1-vm1.scope"}
DOCKER = {"container_id": ID}
KUBELET = {"container_id": ID, "pod": POD}
NAMES = ("vm", "vm_uuid", "unit", "container_id", "pod")

# For each run: the names of its processes by role, in order; the finding that it ends with and its
# severity; the names by which the finding calls the two owners.
RUNS = {
    "uuid": (
        {
            "parent": {"vm": "vm1", "vm_uuid": UUID + "0", **LIBVIRT},
            "heir": {"vm": "vm1-new", "vm_uuid": UUID + "0", **DOCKER},
        },
        "cross-container",
        "info",
        ("vm1", "vm1-new"),
    ),
    "container": ({"parent": KUBELET, "heir": KUBELET}, "cross-container", "info", (ID[:12], ID[:12])),
    "two-vms": (
        {
            "parent": {"vm": "vm1", "vm_uuid": UUID + "0", **DOCKER},
            "heir": {"vm": "vm2", "vm_uuid": UUID + "1", **DOCKER},
        },
        "isolation-break",
        "critical",
        ("vm1", "vm2"),
    ),
    "two-units": (
        {"parent": DOCKER, "heir": {"unit": "spdk.service"}},
        "isolation-break",
        "critical",
        (ID[:12], "spdk.service"),
    ),
    "reexec": (
        {"before": {"vm": "before", "unit": "spdk.service"}, "after": {"vm": "after", "unit": "spdk.service"}},
        "cross-container",
        "info",
        ("after", "after"),
    ),
}


def names(steps):
    for label, (roles, rule, severity, called) in RUNS.items():
        name = f"names-{label}"
        check = ends(steps, name, 1 if severity == "critical" else 0)
        lines = steps.timeline(f"{name}.jsonl")
        check("complete", frame(check, lines).get("complete") is True)
        oracle = [json.loads(line) for line in steps.text(f"{name}.oracle").splitlines()]
        infos = [line for line in lines if line["type"] == "process" and line["action"] == "info"]
        for who in (line for line in oracle if line["op"] == "who"):
            own = [
                line
                for line in infos
                if line["pid"] == who["pid"] and line.get("command") == without_secrets(who["command"])
            ]
            if not check(
                f"the {who['role']} has a line with its command", len(own) == 1, [line.get("command") for line in infos]
            ):
                continue
            check.same(
                f"the {who['role']}'s control group is what it read itself",
                "0::" + own[0].get("cgroup_path", ""),
                who["cgroup"],
            )
            check.same(
                f"the {who['role']}'s names", {key: own[0][key] for key in NAMES if key in own[0]}, roles[who["role"]]
            )
        found = [
            line
            for line in lines
            if line["type"] == "finding" and line["rule"] in ("isolation-break", "cross-container")
        ]
        judged = {(line["rule"], line["severity"]) for line in found}
        check.same("the device's change of hands is judged", judged, {(rule, severity)})
        if found:
            check(
                "the finding names both owners",
                f"({called[0]})" in found[0]["message"] and called[1] in found[0]["message"],
                found[0]["message"],
            )
            owner = found[0]["device_owner"]
            check.same(
                "its device's owner has its names",
                {key: owner[key] for key in NAMES if key in owner},
                list(roles.values())[-1],
            )
            graph = steps.host("export", "--format", "json", "--at", str(found[0]["t"]), f"{name}.vfs").stdout
            known = [
                {key: process[key] for key in NAMES if key in process} for process in json.loads(graph)["processes"]
            ]
            # A process that runs another program now is known by that.
            wanted = list(roles.values())[-1:] if label == "reexec" else list(roles.values())
            check(
                "the graph's processes have their names",
                all(names in known for names in wanted) and len(known) == len(wanted),
                known,
            )
            valid(check, "the graph is valid by the schema", "validate_graph.py", graph)
        secrets = ("letmein", "hunter2")
        check("no secret is in the timeline", not any(secret in steps.text(f"{name}.jsonl") for secret in secrets))
        live = steps.path(f"{name}.jsonl").read_bytes()
        valid(check, "the timeline is valid by the schema", "validate_timeline.py", live)
        for source in (f"{name}.vfs", f"{name}.jsonl"):
            result = steps.host("export", "--format", "jsonl", source)
            check(
                f"export of {source} is the live timeline, byte for byte",
                result.stdout == live,
                difference(result.stdout, live),
            )


def valid(check, what, validator, text):
    result = subprocess.run(
        [schema_check.python() or "python3", schema_check.VALIDATORS / validator, "/dev/stdin"],
        input=text,
        capture_output=True,
    )
    check(what, result.returncode == 0, (result.stdout + result.stderr).decode()[-300:])


def without_secrets(command):
    return command.replace("letmein", "***").replace("hunter2", "***")
