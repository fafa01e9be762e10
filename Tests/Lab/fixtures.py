# SPDX-License-Identifier: Apache-2.0
"""Keeps recordings of real runs as fixtures for the tests that need no guest."""

import json
import shutil

LARGE = {"storm"}  # kept of the one kernel that has it


def copy(directory, scenarios, target, runs=(), whole=True):
    """Copies each scenario's recording, and one random run's with its quiet points, and writes
    where they come from to provenance.json.

    Not `whole`: these are some of the scenarios, and the recordings of the others stay as they are.
    """
    target.mkdir(parents=True, exist_ok=True)
    boot = json.loads((directory / "boot.json").read_text())
    kept = {}
    for name in scenarios:
        recording = directory / "out" / f"{name}.vfs"
        if name in LARGE and not (target / recording.name).exists():
            continue
        if recording.exists():
            shutil.copy(recording, target / recording.name)
            kept[recording.name] = {
                "scenario": name,
                "bytes": recording.stat().st_size,
                "status": int((directory / "out" / f"{name}.status").read_text()),
            }
    if runs:
        kept["random.vfs"] = {
            **copy_random(directory / "out/random", runs[0], target),
            "boot_id": (directory / "out/boot_id").read_text().strip(),
        }
    about = {
        "kernel": boot["release"],
        "package": boot["package"],
        "machine": "QEMU q35, TCG, intel-iommu",
        "made_by": "Tests/Lab/lab.py --fixtures",
        "boot_id": (directory / "out/boot_id").read_text().strip(),
        "recordings": kept,
    }
    if not whole and (target / "provenance.json").exists():
        before = json.loads((target / "provenance.json").read_text())
        if before["package"] != about["package"]:
            raise SystemExit(
                f"fixtures: {target} is of {before['package']}, not {about['package']}: record all of it anew"
            )
        for recording in kept.values():
            recording["boot_id"] = about["boot_id"]
        about = {**before, "recordings": {**before["recordings"], **kept}}
    (target / "provenance.json").write_text(json.dumps(about, indent=1) + "\n")


def copy_random(directory, run, target):
    shutil.copy(directory / f"{run.title}.vfs", target / "random.vfs")
    quiet = [
        line
        for line in (directory / f"{run.title}.oracle").read_text().splitlines()
        if line.startswith('{"op":"quiet"')
    ]
    (target / "random.quiet.json").write_text("".join(f"{line}\n" for line in quiet))
    return {
        "scenario": "random",
        "seed": run.seed,
        "operations": run.operations,
        "quiet_points": len(quiet),
        "bytes": (target / "random.vfs").stat().st_size,
        "status": int((directory / f"{run.title}.status").read_text().split()[0]),
    }
