# SPDX-License-Identifier: Apache-2.0
"""Compares what the tool reports of a process's pinned memory with what the kernel charges it (VmLck
of /proc/self/status).
"""

import json
import subprocess


def check(check, run, tool, recording):
    for line in run.lines("locked"):
        # Between this line and the next call nothing happens for a quarter of a second or more.
        at = line["t_after"] + 100_000_000
        result = subprocess.run(
            [str(tool), "export", "--format", "json", "--at", str(at), str(recording)], capture_output=True, text=True
        )
        graph = json.loads(result.stdout or "{}")
        own = [process for process in graph.get("processes", []) if process["pid"] == line["pid"]]
        if not check(
            f"{line['where']}: the graph names the process",
            len(own) == 1,
            (result.returncode, result.stderr[-200:], graph.get("processes")),
        ):
            continue
        capacity = own[0].get("capacity", {})
        check.same(
            f"{line['where']}: its pinned memory is the kernel's VmLck", capacity.get("pinned_bytes"), line["bytes"]
        )
        if line["where"] != "empty":
            check.same(
                f"{line['where']}: its limit is the one that was set",
                (capacity.get("limit_bytes"), own[0].get("ipc_lock")),
                (line["limit"], False),
            )
        containers = [
            (c["capacity"]["mappings"], sum(m["ram"] for m in c["mappings"]))
            for c in graph["containers"]
            if c.get("pid") == line["pid"]
        ]
        check.same(
            f"{line['where']}: its container's mappings are as many",
            containers,
            [(line["bytes"] // 65536, line["bytes"])],
        )
