#!/usr/bin/env python3
"""Runs the lab: boots real kernels with real VFIO, runs scenarios whose truth is known, and compares
the tool's account with it.
"""

import argparse
import fcntl
import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from pathlib import Path

sys.dont_write_bytecode = True

import audit_checks
import checks
import clients
import fixtures
import guest
import guest_checks
import guests
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


def built_cutter():
    """cut-recording as SwiftPM left it, whichever configuration was built last; None if neither was."""
    built = [ROOT / f".build/{how}/cut-recording" for how in ("release", "debug")]
    return max((path for path in built if path.exists()), key=lambda path: path.stat().st_mtime, default=None)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kernel", action="append", choices=[*kernels.MATRIX, "all", "newest"], help="default: all; may repeat"
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


def is_everything(options, scenarios):
    """Whether this run is to leave nothing out: then it also tries the commands, the random runs and
    the other machines.
    """
    return scenarios == workload.names(HERE) and not (
        options.exec or options.step or options.fixtures or options.random or options.shrink
    )


def steps_of(options, scenarios, series):
    """The steps of guest/commands that a kernel runs: [] is all of them, None is none."""
    if options.no_tool:
        return None
    if options.step:
        return options.step
    which = options.commands or ("ends" if is_everything(options, scenarios) else "none")
    return [] if which == "all" or which == "ends" and series in guests.ends() else None


def chosen_runs(options, scenarios):
    """The random runs: those asked for, or those of random.seeds when everything runs."""
    if options.random:
        return random_runs.asked(options)
    return random_runs.kept() if scenarios == workload.names(HERE) and not (options.exec or options.step) else []


def one_at_a_time():
    """Waits until no other lab runs here: they would share .lab, and more guests than cores time
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


def boot(kernel, options, planned):
    """Boots one guest: a sentence about it, or None when no results came back."""
    image = LAB / f"initramfs-{planned.directory.name}.cpio"
    tool = None if options.no_tool else options.tool
    try:
        initramfs.build(image, kernel, HERE, workload.build(HERE, LAB), planned, tool, options.include)
        needs_clients = planned.steps is not None and (not planned.steps or "clients" in planned.steps)
        disk = clients.build(LAB) if needs_clients else None
        seconds, tries = guest.run(kernel, image, planned.directory, options.timeout, disk, planned.variant)
    finally:
        image.unlink(missing_ok=True)
    if seconds is None:
        return None
    planned.save(
        {
            "release": kernel.release,
            "package": kernel.package,
            "seconds": round(seconds, 1),
            "tries": tries,
            "tool": bool(tool),
        }
    )
    again = " at the second try" if tries > 1 else ""
    return f"Linux {kernel.release} ran {planned.contents()} in {seconds:.0f} s{again}"


def run_all(planned, available, options, tool):
    """Boots the guests, --jobs at a time and the longest first, and checks each in a process of its
    own while others run. Yields each with a sentence about its boot and the checks' report.
    """
    by_series = {kernel.series: kernel for kernel in available}
    workload.build(HERE, LAB)
    boots = ThreadPoolExecutor(max(1, options.jobs))
    checkers = ProcessPoolExecutor(max(1, options.jobs), multiprocessing.get_context("spawn"))

    def run(one):
        report = boot(by_series[one.series], options, one)
        return report, report and checkers.submit(guest_checks.check, one.directory, tool, options.cutter)

    try:
        booting = {boots.submit(run, one): one for one in sorted(planned, key=lambda one: -one.seconds)}
        checking = {}
        while booting or checking:
            for future in wait([*booting, *checking], return_when=FIRST_COMPLETED).done:
                if future in checking:
                    yield *checking.pop(future), future.result()
                    continue
                one, (report, submitted) = booting.pop(future), future.result()
                if submitted:
                    checking[submitted] = one, report
                else:
                    yield one, None, None
    finally:
        boots.shutdown(wait=False, cancel_futures=True)
        guest.stop_all()
        checkers.shutdown(wait=False, cancel_futures=True)


def recheck(options, series, scenarios, tool):
    """The guests that the last run left in --out, as run_all yields them."""
    for path in sorted(options.out.glob("*/boot.json")):
        one = guests.Guest.load(path.parent)
        if one.series in series and (not one.scenarios or set(one.scenarios) & set(scenarios) or one.variant):
            yield one, "", guest_checks.check(one.directory, tool, options.cutter)


def shrink(options, kernel, tool):
    """Makes a failing random run small, and prints it as a line for random.seeds."""
    options.random = options.shrink
    boots = 0

    def fails_at(runs):
        nonlocal boots
        directory, boots = options.out / f"{kernel.series}-shrink", boots + 1
        if boot(kernel, options, guests.Guest(kernel.series, directory, runs=runs)) is None:
            return [0 if len(runs) == 1 else None] * len(runs)
        silent = checks.Tally(silent=True)
        outcomes = [
            random_checks.check(checks.Check(silent, run.title), kernel.series, run, directory / "out/random", tool)
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


def check_files(tally, tool, out):
    """What needs no guest: damaged files, and several files at once. Both use recordings of this
    run.
    """
    recordings = sorted(out.glob("*/out/commands/run-stale.vfs"))
    if tally.check("malformed", "there is a recording to damage", bool(recordings)):
        malformed_checks.check(tally, tool, recordings[0], LAB / "malformed")
        audit_checks.check(tally, tool, sorted(out.glob("*/out/*.vfs")), LAB / "absent.vfs")


def main():
    options = arguments()
    if options.list:
        print("kernels:  ", *kernels.MATRIX)
        print("scenarios:", *workload.names(HERE))
        return 0
    series, scenarios = chosen_series(options), chosen_scenarios(options)
    runs = chosen_runs(options, scenarios)
    tool = None if options.no_tool else options.tool
    if tool and not tool.exists():
        raise kernels.LabError(f"{tool} does not exist: build it, or use --no-tool")

    begun = time.monotonic()
    tally, slowest = checks.Tally(), guest_checks.Slowest()
    if options.recheck:
        finished = recheck(options, series, scenarios, tool)
    else:
        _lock = one_at_a_time()  # held until the process ends
        available, problems = kernels.prepare_all(LAB, series)
        for problem in problems:
            print(f"lab: {problem}")
        if len(series) == len(kernels.MATRIX):
            tally.check("matrix", f"at least {LEAST_KERNELS} kernels are available", len(available) >= LEAST_KERNELS)
        elif problems:
            tally.check("matrix", "every kernel asked for is available", False)
        if options.shrink:
            return shrink(options, available[-1], tool)
        everything = is_everything(options, scenarios)
        planned = [
            one
            for name in (kernel.series for kernel in available)
            for one in guests.of_kernel(name, options, scenarios, runs, steps_of(options, scenarios, name), everything)
        ]
        if any(one.together for one in planned) and not (options.cutter and options.cutter.exists()):
            raise kernels.LabError("cut-recording is not built: run make lab, or use --apart")
        releases = ", ".join(kernel.release for kernel in available)
        print(f"lab: booting {releases}: {len(planned)} guests, {options.jobs} at a time", flush=True)
        finished = run_all(planned, available, options, tool)
    with_commands = False
    for one, report, result in finished:
        if not tally.check(one.title, "boots and brings results", result is not None):
            continue
        print(result.text, end="", flush=True)
        if report:
            print(f"lab: {report}", flush=True)
        tally.add(result)
        slowest.add(one, result.seconds)
        with_commands = with_commands or (one.steps is not None and not options.step)
        if options.fixtures:
            whole = one.scenarios == workload.names(HERE)
            fixtures.copy(one.directory, one.scenarios, options.fixtures / one.series, one.runs, whole=whole)
    if tool and with_commands:
        files_begun = time.monotonic()
        check_files(tally, tool, options.out)
        slowest.add_step("checks of damaged files and of several files", time.monotonic() - files_begun)
    print(slowest.text(), end="")
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
