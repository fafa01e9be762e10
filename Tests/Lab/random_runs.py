# SPDX-License-Identifier: Apache-2.0
"""Chooses the runs of the random workload, names them for repetition, and shrinks one that fails."""

from dataclasses import dataclass, replace
from pathlib import Path

FILE = Path(__file__).resolve().parent / "random.seeds"
POINTS = 10
CANDIDATES = 6  # of one boot, while shrinking


@dataclass(frozen=True)
class RandomRun:
    seed: int
    operations: int
    points: int = POINTS
    skip: tuple = ()
    seconds: int = 0  # the run ends at the first quiet point after that long; 0: when the operations are done
    name: str = ""

    @property
    def title(self):
        return self.name or f"seed-{self.seed}-{self.operations}"

    def line(self):
        """As guest/random reads it."""
        return f"{self.title} {self.seed} {self.operations} {self.points} {self.seconds} {ranges(self.skip)}"

    def repeat(self, series):
        skip = f" --random-skip {ranges(self.skip)}" if self.skip else ""
        return (
            f"Tests/Lab/lab.py --kernel {series} --random {self.seed} "
            f"--random-ops {self.operations} --random-points {self.points}{skip}"
        )


def ranges(numbers):
    """`0-4,7`; `-` for none."""
    parts, numbers = [], sorted(numbers)
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{a}-{b}" if b > a else str(a) for a, b in parts) or "-"


def numbers(text):
    if not text or text == "-":
        return ()
    spans = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return tuple(number for span in spans for number in range(span[0], span[-1] + 1))


def kept():
    """The runs of random.seeds."""
    runs = []
    for line in FILE.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            runs.append(
                RandomRun(int(words[0]), int(words[1]), int(words[2]), numbers(words[3]), name=f"kept-{len(runs) + 1}")
            )
    return runs


def asked(options):
    """The runs that the command line asks for; [] without --random."""
    seconds = int(options.random_minutes * 60)
    return [
        RandomRun(
            int(seed),
            options.random_ops or (1_000_000 if seconds else 200),
            options.random_points,
            numbers(options.random_skip),
            seconds,
        )
        for seed in (options.random or "").split(",")
        if seed
    ]


def shrink(run, fails_at, report):
    """The smallest run that still fails, by delta debugging. `fails_at(runs)` boots once and returns,
    for each run, the index of the quiet point (or operation) at which it fails, or None.
    """
    at = fails_at([run])[0]
    if at is None:
        return None
    run = replace(run, operations=min(run.operations, at // run.points * run.points + run.points), seconds=0)
    kept_operations = [index for index in range(run.operations) if index not in run.skip]
    pieces = 2
    while len(kept_operations) > 1:
        size = max(1, -(-len(kept_operations) // pieces))
        chunks = [kept_operations[start : start + size] for start in range(0, len(kept_operations), size)]
        smaller = None
        # Leave out the later ones first: what causes a failure tends to come right before it, and
        # the objects that it needs are made at the very beginning.
        for begin in range(0, len(chunks), CANDIDATES):
            batch = [
                [index for index in kept_operations if index not in set(chunk)]
                for chunk in chunks[begin : begin + CANDIDATES]
            ]
            runs = [
                replace(run, skip=tuple(set(range(run.operations)) - set(rest)), name=f"candidate-{begin + i}")
                for i, rest in enumerate(batch)
            ]
            failed = [rest for rest, where in zip(batch, fails_at(runs)) if where is not None]
            if failed:
                smaller = failed[0]
                break
        if smaller is not None:
            kept_operations = smaller
            pieces = max(2, pieces - 1)
        elif size == 1:
            break
        else:
            pieces = min(len(kept_operations), pieces * 2)
        report(f"{len(kept_operations)} operations: {ranges(kept_operations)}")
    return replace(run, skip=tuple(set(range(run.operations)) - set(kept_operations)), name="shrunk")
