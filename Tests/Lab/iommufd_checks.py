# SPDX-License-Identifier: Apache-2.0
"""Judges what the tool reports of devices that are used through iommufd, whose mappings it does not
see: the evidence must never be called complete.
"""

import json
import re

from steps import brief, ends, frame


def oracle_of(steps, name):
    return [json.loads(line) for line in steps.text(f"{name}.oracle").splitlines()]


def bound(check, oracle):
    """The device, if the kernel's own answers show that it is bound and has a mapping."""
    answers = {line["op"]: line.get("ret") for line in oracle}
    wanted = ("iommufd-bind", "ioas-alloc", "iommufd-attach", "ioas-map")
    check.same("the kernel has bound it and mapped a page", [answers.get(op) for op in wanted], [0, 0, 0, 0])
    return next((line["device"] for line in oracle if line["op"] == "iommufd-bind"), None)


def iommufd(steps):
    check = steps.check("iommufd-held")
    edu = bound(check, oracle_of(steps, "iommufd-held"))
    sentence = rf"{edu} is used by workload \(pid \d+\) through iommufd, which is not traced"

    check = ends(steps, "iommufd-doctor", 0)
    text = steps.text("iommufd-doctor.out")
    check("mentions iommufd", re.search(r"note .*iommufd is present", text) is not None, brief(text))
    ends(steps, "iommufd-snapshot", 4, sentence)
    check = ends(steps, "iommufd-snapshot-jsonl", 4, sentence)
    lines = steps.timeline("iommufd-snapshot-jsonl.out")
    summary = frame(check, lines)
    check.same("not complete", summary.get("complete"), False)
    check.same("the header has it", lines[0].get("iommufd"), True)
    present = {line["device"]: line for line in lines if line["type"] == "device" and line["action"] == "present"}
    check.same("edu alone is marked", [device for device, line in present.items() if line.get("iommufd")], [edu])
    ends(steps, "iommufd-others", 0, sentence)
    ends(steps, "iommufd-host", 4, sentence)
    check = ends(steps, "iommufd-gone", 0)
    check("nothing is told of it", "iommufd" not in steps.err("iommufd-gone"), brief(steps.err("iommufd-gone")))

    check = ends(steps, "iommufd-own", 4, sentence)
    bound(check, oracle_of(steps, "iommufd-own"))
    lines = steps.timeline("iommufd-own.jsonl")
    frame(check, lines)
    opened = [line for line in lines if line["type"] == "device" and line.get("action") == "open"]
    check.same("the open is marked", [(line["device"], line.get("iommufd")) for line in opened], [(edu, True)])
    for name in ("iommufd-own.jsonl", "iommufd-own.vfs"):
        check.same(f"audit of {name} ends with", steps.host("audit", name).returncode, 4)


def only_iommufd(steps):
    check = ends(steps, "only-iommufd-doctor", 3)
    text = steps.text("only-iommufd-doctor.out")
    check("mentions iommufd", "devices are used through iommufd" in text, brief(text))
    check("does not call VFIO missing", "VFIO is not loaded" not in text, brief(text))
    ends(steps, "only-iommufd-snapshot", 3, "devices are used through iommufd")
    ends(steps, "only-iommufd-run", 3, "devices are used through iommufd")
