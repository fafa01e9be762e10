# SPDX-License-Identifier: Apache-2.0
"""Runs the checks of a guest's scenarios and counts them: the workload and its witnesses first, then
the tool's account.
"""

from collections import Counter

import oracle_checks
import records
import schema_check
import slices
import tool_checks


class Tally:
    """Prints each check as one line, and counts."""

    def __init__(self, silent=False):
        self.passed = self.failed = 0
        self.silent = silent

    def check(self, where, what, holds, seen=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
        detail = f" (seen: {seen})" if not holds and seen != "" else ""
        if not self.silent:
            print(f"{'ok  ' if holds else 'FAIL'} {where}: {what}{detail}", flush=True)
        return holds

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed


class Check:
    """A tally bound to one scenario of one kernel."""

    def __init__(self, tally, where):
        self.tally, self.where = tally, where

    def __call__(self, what, holds, seen=""):
        return self.tally.check(self.where, what, holds, seen)

    def same(self, what, seen, expected):
        return self(what, seen == expected, f"{brief(seen)}, not {brief(expected)}")


def brief(value):
    text = str(value)
    return text if len(text) <= 240 else text[:240] + "…"


def check_scenarios(tally, one, tool, cutter):
    """The scenarios of a guest. Those that shared a recording are checked on their slices of it."""
    directory = one.directory / "out"
    together = set(one.together)
    if together:
        slices.cut(Check(tally, f"{one.series} batch"), directory, one.together, cutter)
    sliced, pids = Counter(), set()
    for name in one.scenarios:
        check = Check(tally, f"{one.series} {name}")
        if not check("ran to its end", all((directory / f"{name}.{end}").exists() for end in ("oracle", "status"))):
            continue
        run = records.load(one.series, name, directory)
        oracle_checks.check(check, run)
        if tool:
            lines = tool_checks.check(check, run, tool)
            if name in together:
                slices.check_slice(check, lines)
                sliced += slices.event_keys(line for line in lines if line.get("pid") in run.pids)
                pids |= run.pids
    if together:
        slices.check_whole(Check(tally, f"{one.series} batch"), directory, tool, sliced, pids)
    if tool and one.scenarios:
        schema_check.check(Check(tally, f"{one.series} schema"), one.directory, one.scenarios, tool)


def check_leftovers(tally, one):
    """The kernel's state before the first use of the tool and after the last."""
    states = [one.directory / "out" / f"kernel-state.{when}" for when in ("before", "after")]
    if all(state.exists() for state in states):
        before, after = (state.read_text().split("\n") for state in states)
        Check(tally, f"{one.title} leftovers").same("the tool leaves nothing in the kernel", after, before)
