"""How many workers on one Postgres scale, and how their cost grows with the catalogue.

    python -m bench.worker_scale [--quick]

*Throughput*: 60,000 single requests, fetched by 1, 2 and 4 workers from the unlimited
simulator, each time into a new database. Two cores carry everything here: the workers, the
server, and the simulator, which stands for the provider. The cores' limit is what they could
do if they did nothing but that: cores / (CPU per request of workers, server and simulator
together), as measured in the same run. So requests per second over that limit is the share of
the cores that was used while there were chunks to fetch; the rest was waited away. With cores
of its own each part is as fast as its own CPU per request allows, which is given beside.

*Growth*: catalogues of 10,000 to 1,000,000 names, half of them scoped, the others asked in
bulk, with 4 workers: `ventil stats` submits, follows and publishes. CPU per record of each
part, peak memory of every process, statements per record, the size of the database.

Statements are all that the server executed for Ventil, heartbeats, looks at the queue, grants
and every BEGIN and COMMIT included. The server waits for its disk as it would anywhere
(`fsync` is on).
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import catalogues
from bench.cluster import Cluster, cluster, peak_mb
from bench.results import digits, goal, run, table

WORKERS, QUICK_WORKERS = (1, 2, 4), (1, 2)
RECORDS, QUICK_RECORDS = 60_000, 300
SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000), (300, 900)
IN_FLIGHT = 50
MOST_STATEMENTS = 0.2
MOST_GROWTH = 1.15
MOST_WORKER_MB = 150
MOST_SUBMITTER_MB = 1000
LEAST_CORES = 0.9
LOOK_S = 0.5


def fetch(found: Cluster, names: Path, workers: int, *, slots: int) -> dict[str, Any]:
    """One run from submission to its artefact, by new workers, in a new database."""
    for _ in range(workers):
        found.worker("--quiet", "--slots", str(slots))
    found.sim.reset()
    found.forget_peaks()
    found.count_statements()
    before = found.spent()
    start_s = time.perf_counter()
    output = found.folder / "stats.json"
    process = found.start("stats", str(names), "-o", str(output), "--quiet")
    phases: dict[str, float] = {}
    at_work: list[tuple[float, float]] = []  # when chunks were there and left, and all CPU
    ended = 0
    try:
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            [(chunks, left)] = found.rows(
                "SELECT count(*), count(*) FILTER (WHERE NOT finished) FROM ventil.chunk"
            )
            if chunks and "planned_s" not in phases:
                phases["planned_s"] = digits(time.perf_counter() - start_s)
                phases["planning_mb"] = digits(peak_mb(process.pid))
            if left:
                at_work.append((time.perf_counter(), sum(found.spent().values())))
            if chunks and not left and "worked_s" not in phases:
                phases["worked_s"] = digits(time.perf_counter() - start_s)
            time.sleep(LOOK_S)
    finally:
        if not ended:
            process.kill()
            process.wait()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError((found.folder / "commands.log").read_text()[-2000:])
    elapsed_s = time.perf_counter() - start_s
    after = found.spent()
    cores = 0.0
    if len(at_work) > 1:
        (from_s, from_cpu_s), (to_s, to_cpu_s) = at_work[0], at_work[-1]
        cores = (to_cpu_s - from_cpu_s) / (to_s - from_s)
    seen = found.sim.report()
    statements, each = found.statements()
    assert seen["by_status"] == {"200": seen["requests"]}, seen
    result = {
        "workers": workers,
        "requests": seen["requests"],
        "elapsed_s": digits(elapsed_s),
        "span_s": digits(seen["lasted_s"]),
        "requests_per_s": digits(seen["requests"] / seen["lasted_s"]),
        "cpu_s": {
            **{part: digits(after[part] - before[part]) for part in after},
            "submitter": digits(usage.ru_utime + usage.ru_stime),
        },
        "peak_mb": {
            part: digits(mb)
            for part, mb in (
                *found.peaks_mb().items(),
                ("submitter", usage.ru_maxrss * 1024 / 1e6),
            )
        },
        "cores_used": digits(cores, 3),
        "phases": phases,
        "statements": statements,
        "most_frequent": each[:12],
        "database_mb": digits(found.size_mb()),
    }
    found.end_workers()
    return result


def one(records: int, scoped: float, workers: int) -> dict[str, Any]:
    """One catalogue, from nothing to its stats.json."""
    packages = catalogues.synthetic(records, scoped=scoped)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names, counts, total = catalogues.write(packages, folder)
        with cluster(folder, counts=counts, settings={"fsync": "on"}) as found:
            found.settings("", quotas="[]", max_in_flight=IN_FLIGHT)
            result = fetch(found, names, workers, slots=10)
        published = json.loads((folder / "stats.json").read_text())["packages"].values()
        assert sum(entry["downloads"]["npm"] for entry in published) == total, "other numbers"
    cpu = result["cpu_s"]
    ours_s = cpu["workers"] + cpu["postgres"] + cpu["submitter"]
    return {
        "records": records,
        **result,
        "us_cpu_per_record": digits(1e6 * ours_s / records),
        "statements_per_record": digits(result["statements"] / records, 3),
    }


def per(found: dict[str, Any], part: str, what: str) -> str:
    """CPU microseconds of a part for each record or request."""
    return f"{1e6 * found['cpu_s'][part] / found[what]:.0f}"


def measure(quick: bool) -> dict[str, Any]:
    """Throughput by the number of workers, then growth."""
    records = QUICK_RECORDS if quick else RECORDS
    throughput = [one(records, 1.0, n) for n in (QUICK_WORKERS if quick else WORKERS)]
    parts = ("workers", "postgres", "simulator")
    table(
        f"{records:,} single requests, at most {IN_FLIGHT} in flight",
        (
            "workers",
            "requests/s",
            "of 1 worker's",
            "of the cores' limit",
            *(f"{p} us/request" for p in parts),
            "stmts/rec",
        ),
        [
            (
                *(f["workers"], f["requests_per_s"]),
                digits(f["requests_per_s"] / throughput[0]["requests_per_s"], 3),
                digits(f["cores_used"] / (os.cpu_count() or 1), 3),
                *(per(f, part, "requests") for part in parts),
                f["statements_per_record"],
            )
            for f in throughput
        ],
    )
    growth = [one(n, catalogues.SCOPED, 4) for n in (QUICK_SIZES if quick else SIZES)]
    parts = ("workers", "postgres", "submitter")
    table(
        "4 workers, half in bulk",
        (
            *("records", "requests", "elapsed s", *(f"{p} us/rec" for p in parts)),
            *("stmts/rec", "worker MB", "submitter MB", "postgres MB", "database MB"),
        ),
        [
            (
                *(f"{f['records']:,}", f"{f['requests']:,}", f["elapsed_s"]),
                *(per(f, part, "records") for part in parts),
                f["statements_per_record"],
                *(f["peak_mb"][part] for part in ("worker", "submitter", "postgres")),
                f["database_mb"],
            )
            for f in growth
        ],
    )
    print()
    first, last = growth[0], growth[-1]
    span = f"{last['records']:,} to {first['records']:,} records"
    grown = digits(last["us_cpu_per_record"] / first["us_cpu_per_record"], 3)
    most = max(f["statements_per_record"] for f in (*throughput, last))
    cores = digits(throughput[-1]["cores_used"] / (os.cpu_count() or 1), 3)
    share = f"share of {os.cpu_count()} cores' limit, {throughput[-1]['workers']} workers"
    goals = [
        goal(share, cores, LEAST_CORES, least=True),
        goal("statements per record, the most", most, MOST_STATEMENTS),
        goal(f"CPU per record, {span}", grown, MOST_GROWTH),
        goal(f"a worker's MB, {last['records']:,}", last["peak_mb"]["worker"], MOST_WORKER_MB),
        goal(
            f"submitter's MB, {last['records']:,}",
            last["peak_mb"]["submitter"],
            MOST_SUBMITTER_MB,
        ),
    ]
    return {"goals": goals, "throughput": throughput, "growth": growth}


if __name__ == "__main__":
    run("worker_scale", "How many workers on one Postgres scale.", measure)
