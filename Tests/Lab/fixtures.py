"""Keeps recordings of real runs as fixtures for the tests that need no guest."""

import json
import shutil


def copy(directory, scenarios, target):
    """Copies each scenario's recording and writes where it comes from to provenance.json."""
    target.mkdir(parents=True, exist_ok=True)
    boot = json.loads((directory / "boot.json").read_text())
    kept = {}
    for name in scenarios:
        recording = directory / "out" / f"{name}.vfs"
        if recording.exists():
            shutil.copy(recording, target / recording.name)
            kept[recording.name] = {"scenario": name, "bytes": recording.stat().st_size,
                                    "status": int((directory / "out" / f"{name}.status").read_text())}
    about = {"kernel": boot["release"], "package": boot["package"], "machine": "QEMU q35, TCG, intel-iommu",
             "made_by": "Tests/Lab/lab.py --fixtures", "boot_id": (directory / "out/boot_id").read_text().strip(),
             "recordings": kept}
    (target / "provenance.json").write_text(json.dumps(about, indent=1) + "\n")
