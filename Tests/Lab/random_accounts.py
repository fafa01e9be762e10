# SPDX-License-Identifier: Apache-2.0
"""Builds four accounts of one state: the workload's own (O), a replay of the timeline's events (E), a
snapshot's lines (S) and the tool's graph (G).

A state is the containers, each with its groups and mappings, and the open devices. Containers have
no names in it: two accounts are compared as multisets of containers.
"""

import json
import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass, field


@dataclass
class State:
    containers: Counter = field(default_factory=Counter)  # (groups, mappings) → how many
    open: frozenset = frozenset()

    @property
    def mappings(self):
        return sum(len(mappings) * count for (_, mappings), count in self.containers.items())


def state(containers, open_devices):
    """From (groups, mappings) pairs."""
    return State(
        Counter((frozenset(groups), frozenset(mappings)) for groups, mappings in containers), frozenset(open_devices)
    )


def mapping(line):
    """One mapping as (iova, size, access, pid, RAM bytes, targets), neighbours among the targets
    joined.
    """
    targets = []
    for t in sorted(line.get("targets") or [], key=lambda t: int(t["iova"], 16)):
        iova, size = int(t["iova"], 16), t["size"]
        last = targets[-1] if targets else None
        if (
            last
            and last[:2] == (t["device"], t["bar"])
            and t["bar"] is not None
            and last[2] + last[4] == t["bar_offset"]
            and last[3] + last[4] == iova
        ):
            targets[-1] = (*last[:4], last[4] + size)
        else:
            targets.append((t["device"], t["bar"], t["bar_offset"], iova, size))
    access = ("r" if line["read"] else "-") + ("w" if line["write"] else "-")
    return int(line["iova"], 16), line["size"], access, line.get("pid"), line.get("ram", 0), tuple(targets)


def oracle(line):
    """O: a `quiet` line of the workload."""
    return state(((c["groups"], map(mapping, c["mappings"])) for c in line["containers"]), line["devices_open"])


class Replay:
    """E: the shortest code that replays events. It ignores what a snapshot found."""

    SNAPSHOT = {"present", "held", "walk-begin", "walk-end"}

    def __init__(self):
        self.named, self.held, self.open = set(), set(), set()
        self.groups, self.mappings = defaultdict(set), defaultdict(dict)

    def apply(self, line):
        kind, action = line["type"], line.get("action")
        if action in self.SNAPSHOT or line.get("provenance") == "snapshot" or line.get("cause") == "resync":
            return
        container = line.get("container")
        if kind == "container":
            if action == "open":
                self.named.add(container)
            elif action == "close":
                self.named.discard(container)
            elif action == "release":
                self.mappings[container].clear()
        elif kind == "group" and action == "attach" and "result" not in line:
            self.groups[container].add(line["group"])
        elif kind == "group" and action == "detach":
            self.groups[container].discard(line["group"])
        elif kind == "device" and action == "first-open":
            self.open.add(line["device"])
        elif kind == "device" and action == "last-close":
            self.open.discard(line["device"])
        elif (
            kind == "map" and not line["result"] and not any(line.get(key) for key in ("vaddr_only", "raced", "known"))
        ):
            self.mappings[container][int(line["iova"], 16)] = mapping(line)
        elif kind == "unmap" and action == "removed":
            self.mappings[container].pop(int(line["iova"], 16), None)

    def rebase(self, lines):
        """Starts again from a snapshot: after a loss, or so that a difference is reported once."""
        self.__init__()
        for line in lines:
            kind, action = line["type"], line.get("action")
            if kind == "container" and action == "present":
                self.named.add(line["container"])
            elif kind == "container" and action == "held":
                self.held.add(line["container"])
            elif kind == "group" and action == "present" and line["container"]:
                self.groups[line["container"]].add(line["group"])
            elif kind == "device" and action == "present" and line["open_count"]:
                self.open.add(line["device"])
            elif kind == "map" and line.get("provenance") == "snapshot":
                self.mappings[line["container"]][int(line["iova"], 16)] = mapping(line)
        self.named &= self.held

    def state(self):
        alive = self.named | {name for name, groups in self.groups.items() if groups}
        return state(((self.groups[name], self.mappings[name].values()) for name in alive), self.open)


def snapshot(lines):
    """S: the lines from a snapshot's begin to its end."""
    groups, mappings, open_devices = {}, defaultdict(list), set()
    for line in lines:
        kind, action = line["type"], line.get("action")
        if kind == "container" and action == "present":
            groups.setdefault(line["container"], set())
        elif kind == "group" and action == "present" and line["container"]:
            groups.setdefault(line["container"], set()).add(line["group"])
        elif kind == "device" and action == "present" and line["open_count"]:
            open_devices.add(line["device"])
        elif kind == "map" and line.get("provenance") == "snapshot":
            mappings[line["container"]].append(mapping(line))
    return state(((groups.get(name, ()), mappings[name]) for name in set(groups) | set(mappings)), open_devices)


def graph(tool, recording, moment):
    """G: `export --format json` at a moment."""
    command = [str(tool), "export", str(recording), "--format", "json", "--at", str(moment)]
    document = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    return state(
        ((c["groups"], map(mapping, c["mappings"])) for c in document["containers"]),
        (d["device"] for d in document["devices"] if d["open"]),
    )


def differences(first, second):
    """What each account has and the other lacks, in words."""
    found = [
        f"{device} open {'only in the oracle' if device in first.open else 'not in the oracle'}"
        for device in sorted(first.open ^ second.open)
    ]
    mine, others = first.containers - second.containers, second.containers - first.containers
    for groups, mappings in mine.elements():
        # The other account's container of the same groups, else the one with most in common.
        near = sorted(others, key=lambda other: (other[0] == groups, len(other[1] & mappings)))
        if not near:
            found.append(f"container with groups {sorted(groups)} and {len(mappings)} mappings missing")
            continue
        other = near[-1]
        others -= Counter([other])
        if other[0] != groups:
            found.append(f"groups {sorted(other[0])}, not {sorted(groups)}")
        found += [f"missing {describe(m)}" for m in sorted(mappings - other[1], key=str)] + [
            f"too many {describe(m)}" for m in sorted(other[1] - mappings, key=str)
        ]
    found += [
        f"container with groups {sorted(groups)} and {len(mappings)} mappings too many"
        for groups, mappings in others.elements()
    ]
    return found


def describe(m):
    targets = "".join(
        f", {device} BAR {bar}+{offset} at {at and hex(at)} ({size})" for device, bar, offset, at, size in m[5]
    )
    return f"{hex(m[0])}+{m[1]} {m[2]} by {m[3]}: RAM {m[4]}{targets}"
