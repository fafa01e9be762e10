#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Validates graphs against docs/graph.schema.json: validate_graph.py FILE…. Exits with 1 after
saying what is wrong. Needs the package jsonschema.
"""

import json
import pathlib
import sys

import jsonschema

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "docs" / "graph.schema.json"

validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
faults = [
    f"{name}: {'/'.join(map(str, error.absolute_path))}: {error.message}"
    for name in sys.argv[1:]
    for error in validator.iter_errors(json.loads(pathlib.Path(name).read_text()))
]
print("\n".join(faults[:20]) or f"validated {len(sys.argv) - 1} graphs")
sys.exit(bool(faults))
