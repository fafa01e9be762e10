#!/usr/bin/env python3
"""Runs the lab: real kernels, real VFIO, scenarios whose truth is known, and the tool's account
held against it.
"""

import argparse
import fcntl
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

sys.dont_write_bytecode = True

import audit_checks
import checks
import clients
import command_checks
import fixtures
import guest
import initramfs
import kernels
import malformed_checks
import random_checks
import random_runs
import workload

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LAB = ROOT / ".lab"
LEAST_KERNELS = 3  # of the whole matrix; fewer prove too little


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kernel", action="append", choices=[*kernels.MATRIX, "all", "newest"], help="default: all; may repeat"
    )
    parser.add_argument("--scenario", action="append", help="default: all; may repeat")
    parser.add_argument("--tool", type=Path, default=ROOT / ".build/release/vfioscope", help="the static vfioscope")
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
        "--step", action="append", help="only this step of guest/commands; may repeat; implies --commands all"
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
        default=min(2, os.cpu_count() or 1),
        help="guests at a time; default: 2, or 1 on a single CPU",
    )
    parser.add_argument("--timeout", type=int, default=3600, help="seconds for one boot")
    parser.add_argument("--recheck", action="store_true", help="boot nothing: check what the last run left in --out")
    parser.add_argument("--list", action="store_true", help="list kernels and scenarios")
    return parser.parse_args()


def chosen_series(options):
    wanted = options.kernel or ["all"]
    if "all" in wanted:
        return list(kernels.MATRIX)
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


def steps_of(options, scenarios, series):
    """The steps of guest/commands that a kernel runs: [] is all of them, None is none."""
    if options.no_tool:
        return None
    if options.step:
        return options.step
    which = options.commands
    if which is None:
        which = "ends" if scenarios == workload.names(HERE) and not options.exec and not options.fixtures else "none"
    return [] if which == "all" or which == "ends" and series in ends() else None


def ends():
    """The oldest and the newest kernel of the matrix."""
    return list(kernels.MATRIX)[0], list(kernels.MATRIX)[-1]


def chosen_runs(options, scenarios):
    """The random runs: those asked for, or those of random.seeds when everything runs."""
    if options.random:
        return random_runs.asked(options)
    return random_runs.kept() if scenarios == workload.names(HERE) and not (options.exec or options.step) else []


def one_at_a_time():
    """Waits until no other lab runs here: they would share .lab, and two guests on two cores time
    out.
    """
    LAB.mkdir(exist_ok=True)
    lock = open(LAB / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("lab: another lab is running, waiting for it to end", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def boot(kernel, options, scenarios, steps, directory, runs=(), variant=None):
    """Boots one kernel with the scenarios; None when no results came back, else what to say about
    it.
    """
    image = LAB / f"initramfs-{directory.name}.cpio"
    tool = None if options.no_tool else options.tool
    try:
        initramfs.build(
            image, kernel, HERE, workload.build(HERE, LAB), tool, scenarios, steps, options.exec, options.include, runs
        )
        disk = clients.build(LAB) if steps == [] or "clients" in (steps or []) else None
        seconds, tries = guest.run(kernel, image, directory, options.timeout, disk, variant)
    finally:
        image.unlink(missing_ok=True)
    if seconds is None:
        return None
    about = {
        "series": kernel.series,
        "release": kernel.release,
        "package": kernel.package,
        "seconds": round(seconds, 1),
        "tries": tries,
        "tool": bool(tool),
    }
    (directory / "boot.json").write_text(json.dumps(about, indent=1) + "\n")
    what = (
        (f"{variant}, " if variant else "")
        + f"{len(scenarios)} scenario{'s' * (len(scenarios) != 1)}"
        + (f", {len(runs)} random run{'s' * (len(runs) > 1)}" if runs else "")
        + ("" if steps is None else " and the commands")
    )
    return f"Linux {kernel.release} ran {what} in {seconds:.0f} s" + (" at the second try" if tries > 1 else "")


def directory_of(options, series):
    return options.out / (f"{series}-{options.variant}" if options.variant else series)


def boot_all(available, options, scenarios, runs):
    """Boots every kernel, --jobs at a time, those with the most to do first; yields (series, what
    boot says) as they complete.
    """
    steps = {kernel.series: steps_of(options, scenarios, kernel.series) for kernel in available}
    workload.build(HERE, LAB)
    pool = ThreadPoolExecutor(max(1, options.jobs))
    try:
        futures = {
            pool.submit(
                boot,
                kernel,
                options,
                scenarios,
                steps[kernel.series],
                directory_of(options, kernel.series),
                runs,
                options.variant,
            ): kernel.series
            for kernel in sorted(available, key=lambda kernel: steps[kernel.series] is None)
        }
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        guest.stop_all()


def check_variants(tally, options, scenarios, kernel, tool):
    """The scenarios that need another machine, on the oldest and the newest kernel of a full run.
    With --recheck, `kernel` is only its series.
    """
    series = getattr(kernel, "series", kernel)
    if scenarios != workload.names(HERE) or options.exec or options.step or options.fixtures or series not in ends():
        return
    for variant, machine in guest.VARIANTS.items():
        directory, name = options.out / f"{series}-{variant}", f"{series} {variant}"
        if options.recheck and not (directory / "boot.json").exists():
            continue
        said = "" if options.recheck else boot(kernel, options, machine["scenarios"], None, directory, variant=variant)
        if tally.check(name, "boots and brings results", said is not None and (directory / "boot.json").exists()):
            print(f"lab: {said}", flush=True)
            checks.check_boot(tally, series, directory, machine["scenarios"], tool)


def shrink(options, kernel, tool):
    """Makes a failing random run small, and prints it as a line for random.seeds."""
    options.random = options.shrink
    boots = 0

    def fails_at(runs):
        nonlocal boots
        directory, boots = options.out / f"{kernel.series}-shrink", boots + 1
        if boot(kernel, options, [], None, directory, runs) is None:
            return [0 if len(runs) == 1 else None] * len(runs)
        quiet = checks.Tally(silent=True)
        outcomes = [
            random_checks.check(checks.Check(quiet, run.title), kernel.series, run, directory / "out/random", tool)
            for run in runs
        ]
        return [
            min((index for index, *_ in outcome.differences), default=None) if outcome else None for outcome in outcomes
        ]

    smallest = random_runs.shrink(
        random_runs.asked(options)[0], fails_at, lambda text: print(f"lab: shrink: {text}", flush=True)
    )
    if smallest is None:
        print(f"lab: seed {options.shrink} does not fail on Linux {kernel.series}")
        return 0
    print(
        f"lab: {boots} boots; keep in {random_runs.FILE.name}:\n"
        f"{smallest.seed} {smallest.operations} {smallest.points} {random_runs.ranges(smallest.skip)}"
    )
    print(f"lab: repeat: {smallest.repeat(kernel.series)}")
    return 1


def main():
    options = arguments()
    if options.list:
        print("kernels:  ", *kernels.MATRIX)
        print("scenarios:", *workload.names(HERE))
        return 0
    series, scenarios = chosen_series(options), chosen_scenarios(options)
    runs = chosen_runs(options, scenarios)
    if not options.no_tool and not options.tool.exists():
        raise kernels.LabError(f"{options.tool} does not exist: build it, or use --no-tool")

    _lock = None if options.recheck else one_at_a_time()  # held until the process ends
    tally = checks.Tally()
    begun = time.monotonic()
    if options.recheck:
        available, problems = [name for name in series if (directory_of(options, name) / "boot.json").exists()], []
    else:
        available, problems = kernels.prepare_all(LAB, series)
    for problem in problems:
        print(f"lab: {problem}")
    if len(series) == len(kernels.MATRIX):
        tally.check("matrix", f"at least {LEAST_KERNELS} kernels are to be had", len(available) >= LEAST_KERNELS)
    elif problems:
        tally.check("matrix", "every kernel asked for is to be had", False)

    tool = None if options.no_tool else options.tool
    if options.shrink:
        return shrink(options, available[-1], tool)
    if not options.recheck:
        print(f"lab: booting {', '.join(kernel.release for kernel in available)}, {options.jobs} at a time", flush=True)
    for name, said in (
        ((name, "") for name in available) if options.recheck else boot_all(available, options, scenarios, runs)
    ):
        directory = directory_of(options, name)
        if said is None:
            tally.check(name, "boots and brings results", False)
            continue
        if said:
            print(f"lab: {said}", flush=True)
        checks.check_boot(tally, name, directory, scenarios, tool)
        if not options.variant:
            check_variants(
                tally,
                options,
                scenarios,
                next(kernel for kernel in available if getattr(kernel, "series", kernel) == name),
                tool,
            )
        for run in runs:
            random_checks.check(
                checks.Check(tally, f"{name} random {run.seed}"), name, run, directory / "out/random", tool
            )
        whole = bool(tool) and steps_of(options, scenarios, name) == []
        if whole or tool and (directory / "out/commands").is_dir():
            command_checks.check_boot(tally, name, directory, tool, whole)
        if options.exec and not options.recheck:
            print((directory / "out/exec.stdout").read_text(errors="replace"), end="", flush=True)
            tally.check(name, "the command succeeds", (directory / "out/exec.status").read_text().strip() == "0")
        if options.fixtures:
            fixtures.copy(directory, scenarios, options.fixtures / name, runs, whole=scenarios == workload.names(HERE))
    if tool and not options.step and any(steps_of(options, scenarios, name) is not None for name in series):
        recordings = sorted(options.out.glob("*/out/commands/run-stale.vfs"))
        if tally.check("malformed", "there is a recording to damage", bool(recordings)):
            malformed_checks.check(tally, tool, recordings[0], LAB / "malformed")
            audit_checks.check(tally, tool, sorted(options.out.glob("*/out/*.vfs")), LAB / "absent.vfs")
    print(f"lab: {time.monotonic() - begun:.0f} s in all")
    print(f"lab: {tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except kernels.LabError as problem:
        print(f"lab: {problem}", file=sys.stderr)
        sys.exit(3)
