# SPDX-License-Identifier: Apache-2.0
"""Validates the timelines and graphs of a boot's recordings against the published JSON Schemas, by
a validator that is not this project's.
"""

import subprocess
import sys
from pathlib import Path

VALIDATORS = Path(__file__).resolve().parents[1] / "OutputsTests"
MOST_BYTES = 200_000  # of a recording: the validator takes some hundred lines a second


def python():
    """An interpreter with jsonschema: this one, or Debian's, for which the dependencies install it."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([candidate, "-c", "import jsonschema"], capture_output=True).returncode == 0:
            return candidate
    return None


def check(check, directory, scenarios, tool):
    interpreter = python()
    if not check("a JSON Schema validator is installed", interpreter is not None):
        return
    recordings = [
        path
        for name in scenarios
        if (path := directory / "out" / f"{name}.vfs").exists() and path.stat().st_size < MOST_BYTES
    ]
    if not recordings:
        return
    # The graph while the workload is under way: most are empty in the end.
    for what, validator, arguments in (
        ("timelines", "validate_timeline.py", ("--format", "jsonl")),
        ("graphs", "validate_graph.py", ("--format", "json", "--at", "+1s")),
    ):
        files = []
        for recording in recordings:
            files.append(directory / f"{recording.stem}.{arguments[1]}")
            subprocess.run(
                [tool, "export", *arguments, "-o", files[-1], recording], check=False, stderr=subprocess.DEVNULL
            )
        result = subprocess.run([interpreter, VALIDATORS / validator, *files], capture_output=True, text=True)
        report = (result.stdout + result.stderr).strip()
        check(
            f"{len(files)} {what} are valid by the schema ({report.splitlines()[-1] if report else ''})",
            result.returncode == 0,
            report[-500:],
        )
        for file in files:
            file.unlink(missing_ok=True)
