#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the lab: boots real kernels with real VFIO, runs scenarios whose truth is known, and compares
the tool's account with it.
"""

import fcntl
import multiprocessing
import signal
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait

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
import options as command_line
import random_checks
import random_runs
import workload
from options import HERE, LAB

LEAST_KERNELS = 3  # of the whole matrix; fewer prove too little


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
        needs_clients = "clients" in (planned.steps or ())
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
    options = command_line.arguments()
    if options.list:
        print("kernels:  ", *kernels.MATRIX, kernels.IOMMUFD)
        print("scenarios:", *workload.names(HERE))
        return 0
    series, scenarios = command_line.chosen_series(options), command_line.chosen_scenarios(options)
    runs = command_line.chosen_runs(options, scenarios)
    tool = None if options.no_tool else options.tool
    if tool and not tool.exists():
        raise kernels.LabError(f"{tool} does not exist: build it, or use --no-tool")

    begun = time.monotonic()
    tally, slowest = checks.Tally(), guest_checks.Slowest()
    if options.recheck:
        finished = recheck(options, series, scenarios, tool)
    else:
        _lock = one_at_a_time()  # held until the process ends
        available, problems, failures = kernels.prepare_all(LAB, series)
        for problem in problems:
            print(f"lab: {problem}")
        if kernels.IOMMUFD in series:
            tally.check(kernels.IOMMUFD, "its kernel is built, or its source is gone", not failures, failures)
        if set(series) >= set(kernels.MATRIX):
            found = [kernel for kernel in available if kernel.series in kernels.MATRIX]
            tally.check("matrix", f"at least {LEAST_KERNELS} kernels are available", len(found) >= LEAST_KERNELS)
        elif problems:
            tally.check("matrix", "every kernel asked for is available", False)
        if options.shrink:
            return shrink(options, available[-1], tool)
        everything = command_line.is_everything(options, scenarios)
        planned = [
            one
            for name in (kernel.series for kernel in available)
            for one in guests.of_kernel(
                name, options, scenarios, runs, command_line.steps_of(options, scenarios, name), everything
            )
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
        with_commands = with_commands or ("policy" in (one.steps or ()) and not options.step)
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
