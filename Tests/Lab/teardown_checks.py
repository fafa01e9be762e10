# SPDX-License-Identifier: Apache-2.0
"""Judges teardowns that take longer than the debounce, and their near misses."""

import json

from steps import brief, ends, frame

DEBOUNCE = 500_000_000


def teardown(steps):
    for how in ("exit", "kill"):
        slow(steps, f"teardown-{how}", 0)
    one_open(steps)
    reopen(steps)


def load(steps, name, status):
    check = ends(steps, name, status)
    oracle = [json.loads(line) for line in steps.text(f"{name}.oracle").splitlines()]
    check("the workload ends well", any(line["op"] == "end" for line in oracle), [line["op"] for line in oracle[-3:]])
    lines = steps.timeline(f"{name}.jsonl")
    frame(check, lines)
    device = next(line["device"] for line in oracle if line["op"] == "device-open" and line["name"] == "ivshmem")
    findings = [
        (line["rule"], line["severity"], line["state"])
        for line in lines
        if line["type"] == "finding" and line["rule"] == "stale-mapping"
    ]
    return check, oracle, lines, device, findings


def slow(steps, name, status):
    check, oracle, lines, device, _ = load(steps, name, status)
    closed = next((line["t"] for line in lines if line.get("action") == "last-close" and line["device"] == device), 0)
    window = [line["t"] for line in lines if line["type"] == "unmap" and line["iova"] == "0x1000000000"]
    took = (window[-1] - closed) if window and closed else 0
    check("the mapping outlived its device by more than the debounce", took > DEBOUNCE, took)
    ended = next(line["t_after"] for line in oracle if line["op"] == "ended")
    check("and was gone when the process was", window and window[-1] <= ended, (window, ended))
    above = [line for line in lines if line["type"] == "finding" and line["severity"] != "info"]
    check("no finding above info", not above, brief(json.dumps(above[:2])))
    print(f"lab: Linux {steps.series}: {name}: the mapping outlived its device by {took / 1e9:.2f} s", flush=True)


def reads(check, oracle):
    dma = [line["ok"] for line in oracle if line["op"] == "edu-dma"]
    check.same("edu reached the device's memory meanwhile", dma, [True])


def one_open(steps):
    check, oracle, _, _, findings = load(steps, "teardown-one-open", 1)
    reads(check, oracle)
    check.same(
        "it is found, and ends with the heir",
        findings,
        [("stale-mapping", "high", "open"), ("stale-mapping", "high", "resolved")],
    )


def reopen(steps):
    check, oracle, lines, _, findings = load(steps, "teardown-reopen", 1)
    reads(check, oracle)
    check.same(
        "latent while no device is open, high once one is",
        findings,
        [
            ("stale-mapping", severity, state)
            for severity, state in (("medium", "open"), ("high", "open"), ("high", "resolved"))
        ],
    )
    opened = [line["t_after"] for line in oracle if line["op"] == "device-open" and line["name"] == "edu"][-1]
    high = next((line["t"] for line in lines if line["type"] == "finding" and line["severity"] == "high"), 0)
    check("high the debounce after the open", abs(high - opened - DEBOUNCE) < 100_000_000, (opened, high))
