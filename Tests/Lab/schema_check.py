"""Validates the timelines of a boot's recordings against the published JSON Schema, by a validator that is not this project's."""

import subprocess
import sys
from pathlib import Path

VALIDATOR = Path(__file__).resolve().parents[1] / "OutputsTests/validate_timeline.py"
MOST_BYTES = 200_000  # of a recording: the validator takes some hundred lines a second


def python():
    """An interpreter that has jsonschema: this one, or Debian's own, whose package the dependencies name."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([candidate, "-c", "import jsonschema"], capture_output=True).returncode == 0:
            return candidate
    return None


def check(check, directory, scenarios, tool):
    interpreter = python()
    if not check("a JSON Schema validator is installed", interpreter is not None):
        return
    files = []
    for name in scenarios:
        recording = directory / "out" / f"{name}.vfs"
        if recording.exists() and recording.stat().st_size < MOST_BYTES:
            files.append(directory / f"{name}.jsonl")
            subprocess.run([tool, "export", "--format", "jsonl", "-o", files[-1], recording], check=False, stderr=subprocess.DEVNULL)
    if not files:
        return
    result = subprocess.run([interpreter, VALIDATOR, *files], capture_output=True, text=True)
    said = (result.stdout + result.stderr).strip()
    check(f"{len(files)} timelines are valid by the schema ({said.splitlines()[-1] if said else ''})", result.returncode == 0, said[-500:])
    for file in files:
        file.unlink(missing_ok=True)
