#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Validates timelines against docs/timeline.schema.json: validate_timeline.py FILE…, where - is
stdin.

Checks each line, and what a schema of one line cannot say: a header first, a summary last, counts
that are those of the lines. Exits with 1 at the first file with faults, after saying where they
are. Needs the package jsonschema.
"""

import collections
import json
import pathlib
import sys

import jsonschema

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "docs" / "timeline.schema.json"
SHOWN = 20


def no_duplicates(pairs):
    keys = collections.Counter(key for key, _ in pairs)
    twice = [key for key, count in keys.items() if count > 1]
    if twice:
        raise ValueError(f"keys given twice: {', '.join(twice)}")
    return dict(pairs)


def by_type(schema):
    """A validator for lines of each type: the schema with the one branch that concerns it, which is
    several times faster.
    """
    validators = {None: jsonschema.Draft202012Validator(schema)}
    for kind in schema["properties"]["type"]["enum"]:
        validators[kind] = jsonschema.Draft202012Validator({**schema, "allOf": [{"$ref": f"#/$defs/{kind}"}]})
    return validators


def faults_of(line, validators):
    """The object of a line, and what is wrong with it."""
    try:
        found = json.loads(line, object_pairs_hook=no_duplicates)
    except ValueError as error:
        return None, [f"not JSON: {error}"]
    kind = found.get("type") if isinstance(found, dict) else None
    validator = validators.get(kind) or validators[None]
    return found, [
        f"{'/'.join(map(str, error.absolute_path)) or 'line'}: {error.message}"
        for error in validator.iter_errors(found)
    ]


def whole_file_faults(objects):
    """What only the lines together can show."""
    if not objects:
        return ["empty"]
    faults = []
    if objects[0].get("type") != "header":
        faults.append("the first line is no header")
    if objects[-1].get("type") != "summary":
        return faults + ["the last line is no summary"]
    if any(each.get("type") in ("header", "summary") for each in objects[1:-1]):
        faults.append("a header or a summary in the middle")
    counted = collections.Counter(each.get("type") for each in objects)
    for kind, count in objects[-1].get("events", {}).items():
        if counted[kind] != count:
            faults.append(f"the summary counts {count} lines of type {kind}; there are {counted[kind]}")
    opened = {each["id"] for each in objects if each.get("type") == "finding"}
    if sum(objects[-1].get("findings", {}).values()) != len(opened):
        faults.append(f"the summary's findings are not the {len(opened)} that opened")
    return faults


def validate(path, validators):
    """How many lines a file has, and what is wrong with it."""
    data = sys.stdin.buffer.read() if path == "-" else pathlib.Path(path).read_bytes()
    objects, faults = [], []
    lines = data.decode("utf-8").split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    else:
        faults.append("the last line has no line break")
    for number, line in enumerate(lines, 1):
        found, wrong = faults_of(line, validators)
        objects.append(found if isinstance(found, dict) else {})
        faults += [f"line {number}: {each}" for each in wrong]
    return len(lines), faults + whole_file_faults(objects)


def main(paths):
    if not paths:
        sys.exit(__doc__)
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validators = by_type(schema)
    total = 0
    for path in paths:
        count, faults = validate(path, validators)
        total += count
        if faults:
            for fault in faults[:SHOWN]:
                print(f"{path}: {fault}", file=sys.stderr)
            if len(faults) > SHOWN:
                print(f"{path}: and {len(faults) - SHOWN} more", file=sys.stderr)
            sys.exit(1)
    print(f"validated {total} lines")


if __name__ == "__main__":
    main(sys.argv[1:])
