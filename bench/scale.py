"""How time, memory and the state grow with the catalogue.

    python -m bench.scale [--quick]

Catalogues of 10,000 to 226,974 names, half of them scoped, fetched in full from the
unlimited simulator in another process, each into a new state folder: `ventil stats` as a
person runs it, with 50 requests in flight at most. Memory is the peak that the kernel
counted for the client's process. Time per record is CPU (all threads, start-up included)
and elapsed; the exponent of the least-squares line through log(time) over log(records) is
1 when time grows linearly.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from math import log
from pathlib import Path
from typing import Any

from bench import catalogues
from bench.processes import VENTIL, measured, simulator, smallest_peak
from bench.results import digits, goal, run, table

SIZES = (10_000, 30_000, 100_000, 226_974)
QUICK = (300, 900)
CONCURRENCY = 50
MOST_PEAK_MB = 200
MOST_GROWTH = 1.15


def measure_size(records: int, *, quick: bool) -> dict[str, Any]:
    """One catalogue, from nothing to its stats.json."""
    packages, source = catalogues.popular(records)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names, counts, total = catalogues.write(packages, folder)
        output = folder / "stats.json"
        state = folder / "state"
        with simulator("unlimited", counts=counts) as sim:
            (folder / "ventil.toml").write_text(
                f'[providers.npm-downloads]\nbase_url = "{sim.url}"\nquotas = []\n'
                f"max_in_flight = {CONCURRENCY}\n"
            )
            cost = measured(
                (
                    *(*VENTIL, "stats", str(names), "-o", str(output), "--quiet"),
                    *("--database", f"sqlite:///{state}/ventil.sqlite"),
                ),
                folder,
            )
            seen = sim.report()
        # A process begins with the peak of the one that started it. --quick is started from
        # a large one, the test suite, and claims nothing about memory.
        assert quick or cost.peak_bytes > smallest_peak(), "the measuring process is larger"
        published = json.loads(output.read_text())["packages"].values()
        assert sum(e["downloads"]["npm"] for e in published) == total, "other numbers"
        size = sum(f.stat().st_size for f in state.iterdir() if f.is_file())
    return {
        "records": records,
        "names": source,
        "requests": seen["requests"],
        "elapsed_s": digits(cost.elapsed_s),
        "cpu_s": digits(cost.cpu_s),
        "us_elapsed_per_record": digits(1e6 * cost.elapsed_s / records),
        "us_cpu_per_record": digits(1e6 * cost.cpu_s / records),
        "peak_mb": digits(cost.peak_bytes / 1e6),
        "state_mb": digits(size / 1e6),
        "state_bytes_per_record": round(size / records),
    }


def exponent(found: list[dict[str, Any]], what: str) -> float:
    """The slope of log(*what*) over log(records)."""
    records = [log(one["records"]) for one in found]
    slope, _ = statistics.linear_regression(records, [log(one[what]) for one in found])
    return digits(slope, 3)


def measure(quick: bool) -> dict[str, Any]:
    """Every size, the smallest first."""
    found = []
    for records in QUICK if quick else SIZES:
        found.append(measure_size(records, quick=quick))
    table(
        f"{found[0]['names']}, at most {CONCURRENCY} in flight",
        (
            *("records", "requests", "elapsed s", "CPU s", "us elapsed/record"),
            *("us CPU/record", "peak MB", "state MB", "state bytes/record"),
        ),
        [
            (
                *(f"{one['records']:,}", f"{one['requests']:,}", one["elapsed_s"]),
                *(one["cpu_s"], one["us_elapsed_per_record"], one["us_cpu_per_record"]),
                *(one["peak_mb"], one["state_mb"], one["state_bytes_per_record"]),
            )
            for one in found
        ],
    )
    print()
    first, last = found[0], found[-1]
    growth = digits(last["us_cpu_per_record"] / first["us_cpu_per_record"], 3)
    elapsed = digits(last["us_elapsed_per_record"] / first["us_elapsed_per_record"], 3)
    span = f"{last['records']:,} to {first['records']:,} records"
    goals = [
        goal(f"peak MB, {last['records']:,} records", last["peak_mb"], MOST_PEAK_MB),
        goal(f"CPU per record, {span}", growth, MOST_GROWTH),
        goal(f"elapsed per record, {span}", elapsed, MOST_GROWTH),
    ]
    return {
        "goals": goals,
        "exponent_cpu": exponent(found, "cpu_s"),
        "exponent_elapsed": exponent(found, "elapsed_s"),
        "sizes": found,
    }


if __name__ == "__main__":
    run("scale", "How time, memory and the state grow with the catalogue.", measure)
