# SPDX-License-Identifier: Apache-2.0
"""Checks what one guest left, in a process of its own while other guests run."""

import contextlib
import io
import re
import time
from dataclasses import dataclass

import checks
import command_checks
import guests
import random_checks

SHOWN = 10  # of the slowest steps


@dataclass
class Result:
    """The checks' report of one guest."""

    text: str
    passed: int
    failed: int
    seconds: float


def check(directory, tool, cutter):
    """Every check of the guest whose results `directory` holds."""
    one, begun, output = guests.Guest.load(directory), time.monotonic(), io.StringIO()
    tally = checks.Tally()
    with contextlib.redirect_stdout(output):
        check_guest(tally, one, tool, cutter)
    return Result(output.getvalue(), tally.passed, tally.failed, time.monotonic() - begun)


def check_guest(tally, one, tool, cutter):
    checks.check_scenarios(tally, one, tool, cutter)
    for run in one.runs:
        check_run = checks.Check(tally, f"{one.series} random {run.seed}")
        random_checks.check(check_run, one.series, run, one.directory / "out/random", tool)
    if tool and one.steps is not None:
        command_checks.check_boot(tally, one.series, one.directory, tool, one.steps)
    if tool:
        checks.check_leftovers(tally, one)
    if one.command:
        print((one.directory / "out/exec.stdout").read_text(errors="replace"), end="")
        status = (one.directory / "out/exec.status").read_text().strip()
        tally.check(one.series, "the command succeeds", status == "0", status)
    print(f"lab: Linux {one.title}, {one.contents()}: {tally.passed} passed, {tally.failed} failed")


class Slowest:
    """The steps that took longest, in guests and on the host."""

    def __init__(self):
        self.steps = []

    def add_step(self, what, seconds):
        self.steps.append((seconds, what))

    def add(self, one, seconds):
        """The steps that a guest reported on its console, and its checks."""
        console = one.directory / "console.log"
        text = console.read_text(errors="replace") if console.exists() else ""
        for what, milliseconds in re.findall(r"^lab: (.+?)(?: status [\d ]+)? in (\d+) ms", text, re.M):
            if what not in ("batch", "commands"):  # the sum of steps that are listed themselves
                self.add_step(f"{one.title} {what}", int(milliseconds) / 1000)
        self.add_step(f"{one.title} checks", seconds)

    def text(self):
        slowest = sorted(self.steps, reverse=True)[:SHOWN]
        return "".join(f"lab: slowest: {seconds:6.1f} s  {what}\n" for seconds, what in slowest)
