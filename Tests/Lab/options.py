# SPDX-License-Identifier: Apache-2.0
"""Reads the lab's command line, and what it asks for: kernels, scenarios, steps, random runs."""

import argparse
import os
from pathlib import Path

import command_checks
import guest
import guests
import kernels
import random_runs
import workload

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LAB = ROOT / ".lab"


def built_cutter():
    """cut-recording as SwiftPM left it, whichever configuration was built last; None if neither was."""
    built = [ROOT / f".build/{how}/cut-recording" for how in ("release", "debug")]
    return max((path for path in built if path.exists()), key=lambda path: path.stat().st_mtime, default=None)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kernel",
        action="append",
        choices=[*kernels.MATRIX, kernels.IOMMUFD, "all", "newest"],
        help="default: all; may repeat",
    )
    parser.add_argument("--scenario", action="append", help="default: all; may repeat")
    parser.add_argument("--tool", type=Path, default=ROOT / ".build/release/vfioscope", help="the static vfioscope")
    parser.add_argument("--cutter", type=Path, default=built_cutter(), help="cut-recording, of the same package")
    parser.add_argument(
        "--apart", action="store_true", help="give each scenario a run of the tool of its own, as --fixtures does"
    )
    parser.add_argument("--no-tool", action="store_true", help="workload and oracles only")
    parser.add_argument("--out", type=Path, default=LAB / "out")
    parser.add_argument("--fixtures", type=Path, help="copy each recording to DIR/SERIES/SCENARIO.vfs")
    parser.add_argument(
        "--commands",
        choices=["none", "ends", "all"],
        help="on which kernels to try the tool's commands: `ends` is the oldest and the newest of the matrix, "
        "the default when all scenarios run",
    )
    parser.add_argument(
        "--step",
        action="append",
        choices=[*command_checks.STEPS, *command_checks.IOMMUFD_STEPS],
        help="only this step of guest/commands; may repeat; implies --commands all",
    )
    parser.add_argument(
        "--variant",
        choices=guest.VARIANTS,
        help="only the scenarios of another machine; a full run boots it with the oldest and the newest kernel",
    )
    parser.add_argument(
        "--random",
        metavar="SEED[,SEED…]",
        help="only random runs with these seeds; a full run does those of random.seeds",
    )
    parser.add_argument("--random-ops", type=int, help="operations of a random run; default: 200")
    parser.add_argument(
        "--random-points",
        type=int,
        default=random_runs.POINTS,
        help="a quiet point each so many operations; default: 10",
    )
    parser.add_argument("--random-minutes", type=float, default=0, help="as many operations as take that long")
    parser.add_argument("--random-skip", metavar="LIST", help="operations to leave out: 0-4,7")
    parser.add_argument(
        "--shrink", metavar="SEED", help="find the smallest part of a random run that still fails, on one kernel"
    )
    parser.add_argument(
        "--exec", help="run a shell command in the guest and print its output; no scenarios unless --scenario is given"
    )
    parser.add_argument(
        "--include", type=Path, action="append", default=[], help="put FILE in the guest as /extra/NAME"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=min(3, 1 + (os.cpu_count() or 1)),
        help="guests at a time; default: one more than there are CPUs, because each sleeps a third of its time, "
        "but 3 at most",
    )
    parser.add_argument("--timeout", type=int, default=3600, help="seconds for one boot")
    parser.add_argument("--recheck", action="store_true", help="boot nothing: check what the last run left in --out")
    parser.add_argument("--list", action="store_true", help="list kernels and scenarios")
    return parser.parse_args()


def chosen_series(options):
    wanted = options.kernel or ["all"]
    if "all" in wanted:
        whole = not (options.exec or options.step or options.fixtures or options.random or options.scenario)
        return [*kernels.MATRIX, *([kernels.IOMMUFD] if whole and not (options.shrink or options.variant) else [])]
    newest = list(kernels.MATRIX)[-1]
    return sorted({newest if name == "newest" else name for name in wanted}, key=kernels.version_key)


def chosen_scenarios(options):
    known = workload.names(HERE)
    if options.variant:
        return guest.VARIANTS[options.variant]["scenarios"]
    if (options.exec or options.step or options.random or options.shrink) and not options.scenario:
        return []
    wanted = options.scenario or ["all"]
    unknown = set(wanted) - set(known) - {"all"}
    if unknown:
        raise kernels.LabError(f"no scenario {', '.join(sorted(unknown))}; --list shows them")
    return known if "all" in wanted else [name for name in known if name in wanted]


def is_everything(options, scenarios):
    """Whether this run is to leave nothing out: then it also tries the commands, the random runs and
    the other machines.
    """
    return scenarios == workload.names(HERE) and not (
        options.exec or options.step or options.fixtures or options.random or options.shrink
    )


def steps_of(options, scenarios, series):
    """The steps of guest/commands that a kernel runs; None is none."""
    if options.no_tool:
        return None
    if series == kernels.IOMMUFD:
        return options.step or ([] if options.exec else command_checks.IOMMUFD_STEPS)
    if options.step:
        return options.step
    which = options.commands or ("ends" if is_everything(options, scenarios) else "none")
    runs_all = which == "all" or which == "ends" and series in guests.ends()
    return command_checks.STEPS if runs_all else None


def chosen_runs(options, scenarios):
    """The random runs: those asked for, or those of random.seeds when everything runs."""
    if options.random:
        return random_runs.asked(options)
    return random_runs.kept() if scenarios == workload.names(HERE) and not (options.exec or options.step) else []
