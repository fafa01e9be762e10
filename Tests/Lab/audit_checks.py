# SPDX-License-Identifier: Apache-2.0
"""Checks that `audit A B …`, which judges several files at once, prints what it would print for one
after another: the same bytes, in order, and the worst exit status.
"""

import subprocess


def audit(tool, *arguments):
    return subprocess.run(
        [str(tool), "audit", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, timeout=300
    )


def worst(statuses):
    return 1 if 1 in statuses else 4 if 4 in statuses else 0


def check(tally, tool, recordings, absent):
    # Long ones among short ones, so that a later file is ready before its turn.
    files = sorted(recordings, key=lambda path: path.stat().st_size, reverse=True)[:4] + sorted(recordings)[:20]
    alone = [audit(tool, path) for path in files]
    together = audit(tool, *files)
    expected = b"".join(f"{path}\n".encode() + result.stdout for path, result in zip(files, alone))
    tally.check(
        "audit",
        f"{len(files)} recordings at once: each finding, in order",
        together.stdout == expected,
        f"{len(together.stdout)} bytes, not {len(expected)}",
    )
    statuses = [result.returncode for result in alone]
    tally.check(
        "audit",
        f"{len(files)} recordings at once: status {worst(statuses)}",
        together.returncode == worst(statuses),
        together.returncode,
    )

    lines = [audit(tool, "--format", "jsonl", path).stdout for path in files]
    tally.check(
        "audit",
        f"{len(files)} timelines at once: the same lines",
        audit(tool, "--format", "jsonl", *files).stdout == b"".join(lines),
        "",
    )

    broken = audit(tool, *files[:3], absent, *files[3:])
    before = b"".join(f"{path}\n".encode() + result.stdout for path, result in zip(files[:3], alone))
    tally.check(
        "audit",
        "a missing file: the findings of those before it are printed",
        broken.stdout == before,
        broken.stdout[-200:],
    )
    tally.check(
        "audit",
        "a missing file: status 3 and its name",
        broken.returncode == 3 and absent.name.encode() in broken.stderr,
        broken.stderr,
    )
