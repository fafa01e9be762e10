# SPDX-License-Identifier: Apache-2.0
"""Compiles the workload: a static C program, one file a family of scenarios."""

import subprocess


def build(here, lab):
    sources = sorted((here / "workload").glob("*.c"))
    binary = lab / "workload"
    inputs = sources + list((here / "workload").glob("*.h")) + [here / "workload/scenarios.list"]
    if not binary.exists() or binary.stat().st_mtime < max(file.stat().st_mtime for file in inputs):
        lab.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["gcc", "-static", "-O1", "-g0", "-Wall", "-Wextra", "-Werror", "-o", str(binary), *map(str, sources)],
            check=True,
        )
    return binary


def names(here):
    """The scenarios, in the order in which a guest runs them, without the helpers."""
    lines = (here / "workload/scenarios.list").read_text().splitlines()
    return [line.split('"')[1] for line in lines if line.startswith("SCENARIO")]
