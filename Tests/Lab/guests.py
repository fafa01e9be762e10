# SPDX-License-Identifier: Apache-2.0
"""Which guests a run of the lab boots, and what each of them runs."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import command_checks
import guest
import kernels
import random_runs
import slices

# How many of all steps the first of two guests runs.
SPLIT = command_checks.STEPS.index("loss")


@dataclass
class Guest:
    """One boot of one kernel."""

    series: str
    directory: Path
    scenarios: list = field(default_factory=list)
    together: list = field(default_factory=list)  # those of the scenarios that share one run of the tool
    runs: list = field(default_factory=list)  # random runs
    steps: list = None  # of guest/commands; None is none
    variant: str = None
    command: str = None  # of --exec

    @property
    def title(self):
        return f"{self.series} {self.variant}" if self.variant else self.series

    @property
    def apart(self):
        return [name for name in self.scenarios if name not in self.together]

    @property
    def seconds(self):
        """About how long it takes, to begin with the longest."""
        steps = 20 * len(self.steps or ())
        return 20 + 10 * len(self.apart) + 3 * len(self.together) + 30 * len(self.runs) + steps

    def contents(self):
        """In words, what it runs."""
        parts = [f"{len(self.scenarios)} scenario{'s' * (len(self.scenarios) != 1)}"] if self.scenarios else []
        parts += [f"{len(self.runs)} random run{'s' * (len(self.runs) > 1)}"] if self.runs else []
        parts += ["the commands"] if self.steps is not None else []
        return (f"{self.variant}: " if self.variant else "") + (" and ".join(parts) or "nothing of the lab's")

    def save(self, about):
        """Writes boot.json, which is all that checking the results needs."""
        kept = {key: value for key, value in asdict(self).items() if key != "directory"}
        (self.directory / "boot.json").write_text(json.dumps({**about, **kept}, indent=1) + "\n")

    @staticmethod
    def load(directory):
        about = json.loads((directory / "boot.json").read_text())
        runs = [random_runs.RandomRun(**{**run, "skip": tuple(run["skip"])}) for run in about["runs"]]
        names = ("series", "scenarios", "together", "steps", "variant", "command")
        return Guest(directory=directory, runs=runs, **{name: about[name] for name in names})


def ends():
    """The oldest and the newest kernel of the matrix."""
    return list(kernels.MATRIX)[0], list(kernels.MATRIX)[-1]


def shared(scenarios, options):
    """The scenarios that share one run of the tool: none where that would save nothing."""
    if options.no_tool or options.apart or options.fixtures or options.variant:
        return []
    together = [name for name in scenarios if name not in slices.APART]
    return together if len(together) > 1 else []


def of_kernel(series, options, scenarios, runs, steps, everything):
    """The guests of one kernel. A guest is one thread of QEMU's, so the commands have guests of their
    own: two where all steps run, which take about as long each.
    """

    def made(suffix="", **what):
        return Guest(series, options.out / f"{series}{suffix}", **what)

    if series == kernels.IOMMUFD:
        return [made("-commands", steps=steps, command=options.exec)]
    if options.variant:
        return [of_variant(made, options.variant)]
    found = []
    if scenarios or runs or options.exec or steps is None:
        found.append(made(scenarios=scenarios, together=shared(scenarios, options), runs=runs, command=options.exec))
    if steps is not None:
        halves = [steps[:SPLIT], steps[SPLIT:]] if steps == command_checks.STEPS else [steps]
        found += [made(f"-commands-{number}", steps=half) for number, half in enumerate(halves, 1)]
    if everything:
        found += [
            of_variant(made, variant)
            for variant, machine in guest.VARIANTS.items()
            if series in machine.get("kernels", ends())
        ]
    return found


def of_variant(made, variant):
    machine = guest.VARIANTS[variant]
    return made(f"-{variant}", scenarios=machine["scenarios"], steps=machine.get("steps"), variant=variant)
