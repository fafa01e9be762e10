"""What suites run and read: the tool, the programs beside it, Python with the peers' packages, and
the inputs, made once under .lab/bench.
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
    """Built like the tool, so that both are of the same objects."""
    subprocess.run(
        ["swift", "build", "-c", "release", "-Xswiftc", "-static-executable", "--product", product],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return ROOT / ".build/release" / product


def python():
    """An interpreter that has the packages of peers/requirements.txt, in an environment of its own."""
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
    """What a program of ours printed: the JSON object of its last line."""
    return json.loads(output(*command).strip().splitlines()[-1])


def recording(workbench, shape, events, live):
    """A recording of that many events, and what `generate` says of it. Made anew each time: it
    takes less than a second a million.
    """
    INPUTS.mkdir(parents=True, exist_ok=True)
    path = INPUTS / f"{shape}-{events}.vs"
    return path, figures(workbench, "generate", shape, events, live, path)


def timeline(recording):
    path = recording.with_suffix(".jsonl")
    subprocess.run([TOOL, "export", "--format", "jsonl", "-o", path, recording], check=True)
    return path
