# SPDX-License-Identifier: Apache-2.0
"""Builds what the suites run and read: the tool, the programs beside it, Python with the peers'
packages, and the inputs under .lab/bench.
"""

import json
import pathlib
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
TOOL = ROOT / ".build/release/vfioscope"
INPUTS = ROOT / ".lab/bench"


def built(product):
    """Builds a product with the tool's own flags, so that both consist of the same objects."""
    subprocess.run(
        ["swift", "build", "-c", "release", "-Xswiftc", "-static-executable", "--product", product],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return ROOT / ".build/release" / product


def python():
    """The interpreter of a virtual environment with the packages of peers/requirements.txt."""
    folder = INPUTS / "venv"
    wanted = BENCH / "peers/requirements.txt"
    mark = folder / "requirements.txt"
    if not mark.exists() or mark.read_text() != wanted.read_text():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted], check=True
        )
        mark.write_text(wanted.read_text())
    return folder / "bin/python"


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def figures(*command):
    """The figures that a program of ours printed, as a JSON object on its last line."""
    return json.loads(output(*command).strip().splitlines()[-1])


def recording(workbench, shape, events, live):
    """Makes a recording of that many events; returns its path and the figures of `generate`. It is
    made anew each time, which takes less than a second for a million events.
    """
    INPUTS.mkdir(parents=True, exist_ok=True)
    path = INPUTS / f"{shape}-{events}.vs"
    return path, figures(workbench, "generate", shape, events, live, path)


def timeline(recording):
    path = recording.with_suffix(".jsonl")
    subprocess.run([TOOL, "export", "--format", "jsonl", "-o", path, recording], check=True)
    return path
