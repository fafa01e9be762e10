# SPDX-License-Identifier: Apache-2.0
"""Runs commands in turn, A B B A A B …, and compares their CPU time, wall time, memory, and the
figures that a command prints itself.
"""

import dataclasses
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time

ROUNDS = 9
YARDSTICK_SPREAD = 0.25  # a yardstick that spreads wider, relative to its median, is inconclusive


@dataclasses.dataclass
class Command:
    """A program to time. Its output goes to /dev/null, unless it `prints` figures of its own, as a
    JSON object on its last line.
    """

    name: str
    argv: list
    prints: bool = False
    stdin: str = None  # path of a file


@dataclasses.dataclass
class Goal:
    """A bound, ("<=", 1.10) or (">=", 200), for a number or for the ratio of two rounds' figures."""

    id: str
    what: str
    bound: tuple
    note: str = ""


def run(command):
    """Runs a command once. Returns seconds of CPU (user and system, of the process and its children)
    and of wall time, the peak of resident bytes, and the figures that it printed.
    """
    with tempfile.TemporaryFile() if command.prints else open(os.devnull, "wb") as output:
        stdin = open(command.stdin, "rb") if command.stdin else subprocess.DEVNULL
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command.argv], stdin=stdin, stdout=output, stderr=subprocess.PIPE
        )
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if command.stdin:
            stdin.close()
        figures = {"cpu": usage.ru_utime + usage.ru_stime, "wall": wall, "rss": usage.ru_maxrss * 1024}
        if process.returncode not in (0, 1):  # 1: findings
            raise SystemExit(
                f"{command.name} ended with {process.returncode}: {errors.decode(errors='replace')[-2000:]}"
            )
        if command.prints:
            output.seek(0, os.SEEK_END)
            output.seek(max(0, output.tell() - 65536))
            figures.update(json.loads(output.read().decode().strip().splitlines()[-1]))
        return figures


def interleave(commands, rounds=ROUNDS, report=print):
    """Returns the figures by command name, one dict for each round. Every second round runs
    backwards, so that a command does not always follow the same other command.
    """
    taken = {command.name: [] for command in commands}
    for number in range(rounds):
        for command in commands if number % 2 == 0 else reversed(commands):
            taken[command.name].append(run(command))
        report(
            f"  round {number + 1} of {rounds}: "
            + ", ".join(f"{name} {rows[-1]['cpu']:.2f} s" for name, rows in taken.items())
        )
    return taken


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def compare(goal, mine, peer):
    """A result: the ratio mine / peer, round by round, and the verdict on the goal. `mine` and
    `peer` are lists of numbers, one for each round.
    """
    yardstick = summary(peer)
    spread = (yardstick["max"] - yardstick["min"]) / yardstick["median"] if yardstick["median"] else 0
    ratio = summary([a / b for a, b in zip(mine, peer)])
    sign, bound = goal.bound
    met = ratio["median"] <= bound if sign == "<=" else ratio["median"] >= bound
    verdict = "inconclusive" if spread > YARDSTICK_SPREAD else "met" if met else "missed"
    return {
        **dataclasses.asdict(goal),
        "ratio": ratio,
        "mine": summary(mine),
        "peer": yardstick,
        "rounds": len(mine),
        "spread": spread,
        "verdict": verdict,
    }


def count(goal, value):
    """A result that does not depend on the machine: one number, compared with its bound."""
    sign, bound = goal.bound
    met = value <= bound if sign == "<=" else value >= bound
    return {**dataclasses.asdict(goal), "value": value, "verdict": "met" if met else "missed"}


def column(rows, key):
    return [row[key] for row in rows]


def machine():
    """The machine on which the figures were measured, for the head of a table."""
    model = next(
        (line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": os.uname().release, "page": resource.getpagesize()}
