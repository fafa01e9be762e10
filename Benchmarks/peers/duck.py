# SPDX-License-Identifier: Apache-2.0
"""duck.py TIMELINE: rebuild.sql in DuckDB, on one thread."""

import json
import pathlib
import sys

import duckdb

query = pathlib.Path(__file__).with_name("rebuild.sql").read_text().replace("TIMELINE", sys.argv[1])
connection = duckdb.connect()
connection.execute("SET threads = 1")
print(
    json.dumps({name: {"mappings": count, "bytes": size} for name, count, size in connection.execute(query).fetchall()})
)
