# SPDX-License-Identifier: Apache-2.0
"""Makes the tables of docs/performance.md from the stored results."""

import json


def number(value):
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def row(result):
    sign = {"<=": "≤", ">=": "≥"}[result["bound"][0]]
    bound = f"{sign} {number(result['bound'][1])}"
    if "ratio" in result:
        ratio = result["ratio"]
        figure = f"{number(ratio['median'])} ({number(ratio['min'])}–{number(ratio['max'])})"
    else:
        figure = number(result["value"])
    return [
        result["id"],
        result["what"],
        bound,
        figure,
        result["verdict"] + (f": {result['note']}" if result["note"] else ""),
    ]


def text(results):
    rows = [row(result) for result in results]
    widths = [max(len(cells[i]) for cells in rows) for i in range(4)] if rows else []
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + "  " + cells[4] for cells in rows
    )


def markdown(kept):
    machine = kept["machine"]
    lines = [
        f"On {machine['cpus']} × {machine['cpu']}, Linux {machine['kernel']}.",
        "",
        "| | what | goal | measured: median (min–max) | |",
        "|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row(result)) + " |" for result in kept["results"]]
    return "\n".join(lines)


def write(folder, page):
    """Replaces the text between `<!-- results: SUITE -->` and `<!-- end -->` for each suite that has
    results.
    """
    body = page.read_text()
    for path in sorted((folder / "results").glob("*.json")):
        begin = f"<!-- results: {path.stem} -->\n"
        if begin in body:
            head, rest = body.split(begin, 1)
            body = (
                head
                + begin
                + markdown(json.loads(path.read_text()))
                + "\n<!-- end -->"
                + rest.split("<!-- end -->", 1)[1]
            )
    page.write_text(body)
