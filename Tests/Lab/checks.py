"""Runs the checks of a boot and counts them: the workload and its witnesses first, then the tool's
account.
"""

import oracle_checks
import records
import schema_check
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


def check_boot(tally, series, directory, scenarios, tool):
    passed, failed = tally.passed, tally.failed
    for name in scenarios:
        check = Check(tally, f"{series} {name}")
        if not check(
            "ran to its end",
            (directory / "out" / f"{name}.oracle").exists() and (directory / "out" / f"{name}.status").exists(),
        ):
            continue
        run = records.load(series, name, directory / "out")
        oracle_checks.check(check, run)
        if tool:
            tool_checks.check(check, run, tool)
    if tool and scenarios:
        schema_check.check(Check(tally, f"{series} schema"), directory, scenarios, tool)
        states = [(directory / "out" / f"kernel-state.{when}") for when in ("before", "after")]
        if all(state.exists() for state in states):
            before, after = (state.read_text().split("\n") for state in states)
            Check(tally, f"{series} leftovers").same("the tool leaves nothing in the kernel", after, before)
    print(f"lab: Linux {series}: {tally.passed - passed} passed, {tally.failed - failed} failed", flush=True)
