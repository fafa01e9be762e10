# SPDX-License-Identifier: Apache-2.0
"""Checks a scenario without the tool: did it do what it should, and do the tracepoints agree with the
ioctls?
"""

from records import traced_bytes
from scenarios import CPU_READS, REFUSALS, SCENARIOS, of_series


def check(check, run):
    expected = SCENARIOS[run.name]
    stderr = run.path("err").read_text(errors="replace").split()
    gave_up = [line["step"] for line in run.lines("gave-up")]
    check(
        "the workload succeeds",
        run.status == 0 and not gave_up and bool(run.lines("end")),
        f"status {run.status} {' '.join(gave_up)} {' '.join(stderr)[-200:]}",
    )
    for line in run.lines("edu-dma"):
        arrives = line["meaning"] not in of_series(expected.dma_fails, run.series)
        check(
            f"{line['direction']}: {line['meaning']}" + ("" if arrives else ": nothing arrives"),
            line["ok"] == arrives,
            line["word"],
        )
    for line in run.lines("cpu-read"):
        wanted = CPU_READS.get(line["meaning"], lambda series: "ok")(run.series)
        check.same(f"a CPU's read, {line['meaning']}", line["result"], wanted or line["result"])
    for line in run.lines("cpu-sees"):
        check(
            "the other process sees what the device wrote" if line["same"] else "the other process sees nothing of it",
            line["ok"],
            line["word"],
        )
    for line in run.lines("can-update"):
        check.same(f"{line['name']} is available", line["there"], run.series != "5.10")
    for line in run.lines("locked-memory"):
        # 64 KiB are mapped. Only the present mm's count is visible: what the previous program had
        # mapped stays pinned, and is counted nowhere.
        check.same(f"locked memory, {line['when']}", line["kib"], 0 if line["when"] == "after exec" else 64)
    for line in run.lines("vaddr-take") + run.lines("vaddr-give"):
        check.same(f"{line['op']} succeeds", line["ret"], 0)
    check_returns(check, run, expected)
    check_trace(check, run)


def check_returns(check, run, expected):
    failures = [line["ret"] for line in run.lines("map") if line["ret"]]
    check.same("maps fail as they should", failures, of_series(expected.map_errors, run.series))
    answers = [line["ret"] or line["unmapped"] for line in run.lines("unmap")]
    wanted = (
        [line["size"] for line in run.lines("unmap")]
        if expected.unmaps is None
        else of_series(expected.unmaps, run.series)
    )
    check.same("unmaps return what was mapped", answers, wanted)
    for line in run.lines("refused"):
        check.same("what the kernel must refuse, it refuses", line["ret"], REFUSALS[run.name])
    for line in run.lines("map-many") + run.lines("unmap-many"):
        done = line["failed"] == 0 if line["op"] == "map-many" else line["unmapped"] == line["count"] * 4096
        check(f"{line['op']}: {line['count']} times", done, line)
    for line in run.lines("reset"):
        # Some kernels do not get the link of an emulated card up in time (-ENOTTY): that is printed
        # here, and checked nowhere.
        print(
            f"     {check.where}: {line['how']} reset of {line['device']}: {line['ret']} in "
            f"{(line['t_after'] - line['t_before']) // 1_000_000} ms"
        )


def check_trace(check, run):
    check.same("the tracepoints lost nothing", run.trace_lost, 0)
    wrong = []
    for event, one, many in (("map", "map", "map-many"), ("unmap", "unmap", "unmap-many")):
        for line in run.lines(one) + run.lines(many):
            if line.get("ret"):
                continue  # a failed map may go in and out again
            size = line["unmapped"] if event == "unmap" else line["size"] * line.get("count", 1)
            seen = traced_bytes(run, event, line)
            if seen != size:
                wrong.append(f"{line['op']} {line.get('iova')}: {seen} of {size}")
    check("the tracepoints agree with every map and unmap", not wrong, "; ".join(wrong[:4]))
    for line in run.lines("killed"):
        gone = sum(
            s.size for s in run.trace if s.event == "unmap" and s.pid == line["child"] and s.t >= line["t_before"]
        )
        check.same("SIGKILL unmaps everything", gone, line["bytes"])
