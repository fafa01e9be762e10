# SPDX-License-Identifier: Apache-2.0
"""Reads what the steps of guest/commands left."""

import json
import re
import subprocess

from checks import Check


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


def ends(steps, name, status, *patterns):
    """Checks a command's exit status, and that stderr matches each pattern: words of the tool's
    messages, which change when those do.
    """
    check = steps.check(name)
    check(f"status {status}", steps.status(name) == status, f"{steps.status(name)}: {brief(steps.err(name))}")
    for pattern in patterns:
        check(f"stderr has “{pattern}”", re.search(pattern, steps.err(name)) is not None, brief(steps.err(name)))
    return check


def brief(text):
    words = " / ".join(text.strip().splitlines())
    return words if len(words) < 300 else words[:150] + " … " + words[-150:]


def difference(seen, expected):
    a, b = seen.splitlines(), expected.splitlines()
    for number, (x, y) in enumerate(zip(a, b), 1):
        if x != y:
            at = next((i for i, (p, q) in enumerate(zip(x, y)) if p != q), min(len(x), len(y)))
            return (
                f"line {number} of {len(a)} and {len(b)}: …{x[max(0, at - 60) : at + 60]!r}, "
                f"not …{y[max(0, at - 60) : at + 60]!r}"
            )
    return f"{len(a)} lines, not {len(b)}"


def frame(check, lines):
    """Checks that a timeline begins with a header and ends with a summary; returns that, or {}."""
    if not check(
        "the timeline has a header and a summary",
        len(lines) > 1 and lines[0]["type"] == "header" and lines[-1]["type"] == "summary",
        [line["type"] for line in lines[:1] + lines[-1:]],
    ):
        return {}
    summary = lines[-1]
    check.same("attempted is delivered and lost", summary["attempted"], summary["delivered"] + summary["lost"])
    return summary


def exported(steps, check, name, status):
    """The lines of a recording's timeline."""
    result = steps.host("export", "--format", "jsonl", name)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    check(f"export ends with {status}", result.returncode == status, (result.returncode, brief(result.stderr.decode())))
    frame(check, lines)
    return lines
