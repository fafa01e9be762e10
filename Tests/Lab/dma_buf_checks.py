# SPDX-License-Identifier: Apache-2.0
"""Compares the tool's dma-buf lines with the results of the exporter's calls, and with a kprobe on the
kernel function that revokes.
"""

SLACK = 50_000_000


def check(check, run, mine):
    offered = run.lines("dma-buf")[0]["offered"]
    check.same("the kernel offers dma-bufs of device memory", offered, run.series == "7.3")
    lines = [line for line in mine if line["type"] == "device" and line["action"].startswith("dma-buf-")]
    exports = [line for line in lines if line["action"] == "dma-buf-export"]
    check.same(
        "exports are the oracle's",
        [
            (line["device"], line["bar"], line["bar_offset"], line["size"], line["ranges"], line["revoked"])
            for line in exports
        ],
        [
            (line["device"], line["bar"], 0, line["size"], line["ranges"], False)
            for line in run.lines("dma-buf-export", ret=0)
        ],
    )
    check("each has an inode of its own", len({line["inode"] for line in exports}) == len(exports), exports)
    # The last one is released after its device, which revoked it for good.
    check.same(
        "releases are the oracle's",
        [line.get("inode") for line in lines if line["action"] == "dma-buf-release"],
        [line["inode"] for line in exports[:-1]] + [None] * bool(exports),
    )
    moves = [
        (line["action"] == "dma-buf-revoke", line["t"])
        for line in lines
        if line["action"] in ("dma-buf-revoke", "dma-buf-restore")
    ]
    seen = [(bool(line["revoked"]), line["t"]) for line in run.lines("dma-buf-move") if exported(run, line["t"])]
    check(
        "revokes and restores are those that the kernel's probe saw",
        [a for a, _ in moves] == [a for a, _ in seen]
        and all(abs(t - other) < SLACK for (_, t), (_, other) in zip(moves, seen)),
        (moves, seen),
    )


def exported(run, t):
    """Whether the device had an export at `t`. Its last close empties the list as it ends: a move
    that comes with the close still finds the export, a later one does not.
    """
    begins, ends = run.lines("dma-buf-export", ret=0), run.lines("dma-buf-release")
    if not any(begin["t_after"] <= t <= end["t_before"] for begin, end in zip(begins, ends)):
        return False
    closing = [
        line
        for line in run.lines("dma-buf-move")
        if any(r["t_before"] <= line["t"] <= r["t_after"] for r in run.lines("release"))
    ]
    return not any(line["t"] == t for line in closing[1:])
