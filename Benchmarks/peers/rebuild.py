# SPDX-License-Identifier: Apache-2.0
"""rebuild.py json|orjson TIMELINE: rebuilds what is mapped at the end of a JSON timeline. Each
container has a dict of its mappings by IOVA.
"""

import importlib
import json
import sys

loads = importlib.import_module(sys.argv[1]).loads
containers = {}
with open(sys.argv[2], "rb") as lines:
    for line in lines:
        event = loads(line)
        kind = event["type"]
        if kind == "map":
            if event["result"] == 0 and "vaddr_only" not in event and "raced" not in event:
                containers.setdefault(event["container"], {})[event["iova"]] = (event["size"], event["pid"])
        elif kind == "unmap":
            if event["action"] == "removed":
                containers[event["container"]].pop(event["iova"], None)
        elif kind == "container" and event["action"] == "release":
            containers.pop(event["container"], None)
print(
    json.dumps(
        {
            name: {"mappings": len(live), "bytes": sum(size for size, _ in live.values())}
            for name, live in sorted(containers.items())
        }
    )
)
