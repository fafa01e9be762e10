# SPDX-License-Identifier: Apache-2.0
"""Compares the tool's findings with those that the scenario must show."""

from collections import defaultdict

from scenarios import of_series

# A finding begins when the kernel acts, which is within the call that the oracle timed, or just
# after.
SLACK = 50_000_000


def histories(lines):
    """The lines of each finding by id, informational ones left out."""
    by_id = defaultdict(list)
    for line in lines:
        if line["type"] == "finding":
            by_id[line["id"]].append(line)
    return [history for history in by_id.values() if any(line["severity"] != "info" for line in history)]


def describe(history):
    last = history[-1]
    states = "→".join(f"{line['state']}/{line['severity']}" for line in history)
    return f"{last['rule']} {last.get('device')} {last.get('iova')} {states}"


def check(check, run, lines, expected):
    found = histories(lines)
    for rule in expected.reported:
        check(
            f"{rule} is reported",
            any(line["type"] == "finding" and line["rule"] == rule and line["severity"] == "info" for line in lines),
        )
    for wanted in of_series(expected.findings, run.series):
        device = wanted.device and run.device(wanted.device)
        matching = [h for h in found if h[0]["rule"] == wanted.rule and h[0].get("device") == device]
        if not check(
            f"{wanted.rule} of {wanted.device} is found once", len(matching) == 1, [describe(h) for h in found]
        ):
            continue
        found.remove(matching[0])
        check_one(check, run, matching[0], wanted)
    for history in found:
        if history[0]["rule"] in expected.allowed:
            check(
                f"{history[0]['rule']}, which may show, is resolved",
                history[-1]["state"] == "resolved",
                describe(history),
            )
        else:
            check("no other finding", False, describe(history))


def check_one(check, run, history, wanted):
    first, last = history[0], history[-1]
    check.same(f"{wanted.rule} opens and resolves", (first["state"], last["state"]), ("open", "resolved"))
    check(
        f"{wanted.rule} is {'/'.join(wanted.severities)}",
        any(line["severity"] in wanted.severities for line in history),
        [line["severity"] for line in history],
    )
    if wanted.reachable is not None:
        check.same(f"{wanted.rule}: reachable, as edu's DMA shows", first.get("reachable"), wanted.reachable)
    check.same(f"{wanted.rule}: whether an MSI-X table is in it", first.get("msix_table"), wanted.msix_table)
    for key, moment in (("since", wanted.since), ("until", wanted.until)):
        line, t = moment.find(run), last.get(key)
        within = line is not None and t is not None and line["t_before"] <= t <= line["t_after"] + SLACK
        check(
            f"{wanted.rule}: {key} is the oracle's {moment.op}",
            within,
            f"{t}, not within {line and line['t_before']}…{line and line['t_after']}",
        )
