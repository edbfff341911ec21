"""Texts made to blow up a parser, each parsed by a worker of the workbench.

    python -m bench.changelog.hostile [KIND ...] [--save]

Prints one line for each kind: processor time, peak memory of the whole worker, releases
found. Ends with status 1 when one of them takes over 10 s or 512 MB, fails, or finds what
is not there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.processes import ROOT
from bench.results import RESULTS, conditions, digits, table
from ventil.adapters.workbench import Limits, Workbench
from ventil.errors import WorkbenchError

MB = 1_000_000
SIZE = 10 * MB
SECONDS = 10.0
MEMORY = 512 * 1024 * 1024
TASK = "bench.changelog.hostile:measured"


def _repeat(piece: str, size: int = SIZE) -> str:
    return piece * (size // len(piece))


def _noise(size: int) -> bytes:
    return random.Random(5).randbytes(size)


_TRUE = "# Changelog\n\n## 1.1.0 (2020-02-02)\n- b\n\n## 1.0.0 (2020-01-01)\n- a\n"

# name -> the text, and how many releases are right (None: any number, but no failure)
KINDS: dict[str, tuple[Callable[[], str | bytes], int | None]] = {
    "one line of 10 MB": (lambda: "x" * SIZE, 0),
    "one line of digits": (lambda: "1" * SIZE, 0),
    "one line of dots and digits": (lambda: _repeat("1."), 0),
    "a million hashes, one a line": (lambda: "#\n" * MB, 0),
    "ten million hashes on one line": (lambda: "#" * SIZE, 0),
    "nested brackets": (lambda: "## 1.0 " + "[" * (SIZE // 2) + "]" * (SIZE // 2), None),
    "nested brackets, a line each": (lambda: _repeat("## [[[[[[1.0]]]]]](((((\n"), None),
    "nested parentheses of links": (lambda: _repeat("[1.0](((((((((((((((\n"), None),
    "spaces": (lambda: " " * SIZE, 0),
    "spaces before and after versions": (
        lambda: _repeat(" " * 500 + "1.0" + " " * 500 + "\n"),
        None,
    ),
    "tabs and line ends": (lambda: _repeat("\t\n"), 0),
    "line ends alone": (lambda: "\n" * SIZE, 0),
    "carriage returns alone": (lambda: "\r" * SIZE, 0),
    "runs like dates": (lambda: _repeat("2020-01-01"), 0),
    "runs like dates, a line each": (lambda: _repeat("1-1-1-1-1-1-1-1-1-1-2020-1-1-1\n"), None),
    "half a million versions": (
        lambda: "".join(f"1.{n}\n" for n in range(500_000)),
        None,
    ),
    "version headings without end": (
        lambda: "".join(f"## 1.{n}.0 (2020-01-01)\n- a\n" for n in range(300_000)),
        None,
    ),
    "suffixes without end": (lambda: _repeat("## 1.0" + "-rc.1" * 60 + "\n"), None),
    "underlines alone": (lambda: _repeat("=====\n-----\n~~~~~\n"), 0),
    "underlined versions": (lambda: _repeat("1.0\n---\n"), None),
    "stars": (lambda: _repeat("*" * 79 + "\n"), 0),
    "backticks and fences": (lambda: _repeat("```\n````\n"), 0),
    "comments opened, never closed": (lambda: _repeat("<!-- \n"), 0),
    "emphasis that never ends": (lambda: _repeat("**1.0 *_*_*_*_*_*_*_*_\n"), None),
    "random bytes": (lambda: _noise(SIZE), 0),
    "a changelog, then random bytes": (lambda: _TRUE.encode() * 100 + _noise(SIZE), None),
    "invalid bytes": (lambda: _TRUE.encode() + b"- caf\xe9 \xff\xfe\n" * (SIZE // 11), 2),
    "a changelog, then NULs": (lambda: _TRUE.encode() + b"\0" * SIZE, 2),
    "UTF-16": (lambda: (_TRUE + "- more\n" * (SIZE // 14)).encode("utf-16"), 2),
    "NULs": (lambda: b"\0" * SIZE, 0),
    "NULs among the words": (lambda: _TRUE.replace(" ", "\0 ") + "\0\n" * (SIZE // 2), None),
    "wide characters": (lambda: _TRUE + "🫖 1.0\n" * (SIZE // 9), None),
    "tables": (lambda: _repeat("|" * 50 + " 1.0 " + "|" * 50 + "\n"), None),
    "two dots, and indented": (lambda: _repeat("..\n  1.0\n"), 0),
    "directives": (lambda: _repeat(".. changelog::\n"), 0),
    "links without end": (lambda: _repeat("## [1.0](http://a.b/"), None),
}


def measured(payload: bytes) -> bytes:
    """A task: parse, and say what it took and how many releases there are."""
    from ventil.changelog import parse

    start = time.process_time()
    found = parse(payload, "CHANGELOG")
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform != "darwin":
        peak *= 1024
    return json.dumps({"seconds": seconds, "peak": peak, "releases": len(found)}).encode()


async def measure(kind: str) -> dict[str, Any]:
    """What one kind took in a worker of its own; `fault` instead when it failed."""
    make, expected = KINDS[kind]
    text = make()
    data = text.encode() if isinstance(text, str) else text
    limits = Limits(cpu_s=SECONDS, wall_s=30 * SECONDS, memory=MEMORY)
    row: dict[str, Any] = {"kind": kind, "megabytes": digits(len(data) / MB, 3)}
    async with Workbench(processes=1, folders=[str(ROOT)], limits=limits) as workbench:
        try:
            row |= json.loads(await workbench.run(TASK, data))
        except WorkbenchError as error:
            return row | {"fault": str(error), "ok": False}
    right = expected is None or expected == row["releases"]
    row["ok"] = right and row["seconds"] <= SECONDS and row["peak"] <= MEMORY
    return row


def main() -> None:
    """Measure the kinds named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--save", action="store_true", help="into bench/results/")
    args = parser.parse_args()
    rows = [asyncio.run(measure(kind)) for kind in args.kinds or KINDS]
    table(
        "Hostile texts",
        ["kind", "MB", "seconds", "peak MB", "releases", ""],
        [
            (
                row["kind"],
                row["megabytes"],
                f"{row['seconds']:.2f}" if "seconds" in row else "-",
                f"{row['peak'] / MB:.0f}" if "peak" in row else "-",
                row.get("releases", "-"),
                "ok" if row["ok"] else row.get("fault", "WRONG"),
            )
            for row in rows
        ],
    )
    right = sum(row["ok"] for row in rows)
    print(f"\n{right} of {len(rows)} answered rightly within {SECONDS:g} s and 512 MB")
    if args.save:
        result = {"bench": "changelog-hostile", **conditions(quick=False), "rows": rows}
        (RESULTS / "changelog-hostile.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(0 if right == len(rows) else 1)


if __name__ == "__main__":
    main()
