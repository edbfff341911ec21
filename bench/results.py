"""What a measurement leaves: a small JSON file in bench/results/, and a table to read."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.processes import ROOT

RESULTS = ROOT / "bench" / "results"


def run(name: str, about: str, measure: Callable[[bool], dict[str, Any]]) -> None:
    """The command line of one measurement: `--quick`, `--output`; writes what it finds."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=about)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work?")
    parser.add_argument("--output", type=Path, help="default: bench/results/, unless --quick")
    options = parser.parse_args()
    result = {"bench": name, **conditions(quick=options.quick), **measure(options.quick)}
    output = options.output or (None if options.quick else RESULTS / f"{name}.json")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def conditions(*, quick: bool) -> dict[str, Any]:
    """When and on what it was measured."""
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def median(values: Iterable[float]) -> float:
    """The median, rounded to four digits that count."""
    return digits(statistics.median(values))


def digits(value: float, count: int = 4) -> float:
    """*value* with *count* significant digits."""
    return float(f"{value:.{count}g}")


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns: words to the left, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(heads), *cells]) for i in range(len(heads))]
    print(f"\n{title}")
    for row in [list(heads), *cells]:
        first = row[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        print("  ".join((first, *rest)), flush=True)


def goal(words: str, value: float, bound: float, *, least: bool = False) -> dict[str, Any]:
    """A goal beside what was measured; prints a line of it."""
    met = value >= bound if least else value <= bound
    sign = ">=" if least else "<="
    print(f"{'met    ' if met else 'NOT MET'}  {words}: {value:g} (goal {sign} {bound:g})")
    return {"goal": words, "bound": f"{sign} {bound:g}", "measured": value, "met": met}
