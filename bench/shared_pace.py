"""Do workers who share one pacer find the pace of one good client? Over real HTTP.

    python -m bench.shared_pace [--quick] [--workers 4] [--scenario S1,...] [--seed 0]

Real `ventil worker` processes and a real Postgres, against a loopback server that plays a
scenario of the lab (`ventil.sim.lab.over_http.SHARED`) in real time. The makespan is from the
first request to the last answer, as the server saw them, over the clairvoyant's. Beside it the
same scenario with as many workers in virtual time. Two scenarios are played at once, O1 beside
the others, since most of it is waiting; all of them take eight minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.processes import ROOT, environment
from bench.results import RESULTS, conditions, digits, goal, table
from ventil.sim.lab import workers as virtual
from ventil.sim.lab.over_http import SHARED
from ventil.sim.lab.race import Scenario
from ventil.sim.lab.shared_goals import OUTAGE_SENT, RATIO

sys.path.append(str(ROOT / "tests"))  # a server from a wheel, as the tests start it

from postgres_server import PostgresServer

CHUNK = 25
SLOTS = 10
DAY = "2026-01-05"
GIVE_UP = 3.0
_START_S = 60.0


@contextlib.contextmanager
def provider(scenario: Scenario, seed: int) -> Iterator[str]:
    """The URL of a server that plays it."""
    command = [sys.executable, "-m", "ventil.sim.lab.over_http", scenario.name, "--shared"]
    command += ["--seed", str(seed), "--records", str(scenario.n)]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1]
    finally:
        process.terminate()
        process.communicate()


def report(url: str) -> dict[str, Any]:
    """What the server counted."""
    with urllib.request.urlopen(f"{url}/-/lab/report", timeout=10) as answer:  # noqa: S310
        return dict(json.load(answer))


def experiment(
    server: PostgresServer, scenario: Scenario, workers: int, seed: int
) -> dict[str, Any]:
    """One scenario against so many workers."""
    database = server.database()
    with (
        tempfile.TemporaryDirectory(prefix="ventil-") as place,
        provider(scenario, seed) as url,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(place)
        (folder / "names.json").write_text(json.dumps([f"@r/{k}" for k in range(scenario.n)]))
        (folder / "ventil.toml").write_text(
            f'[providers.npm-downloads]\nbase_url = "{url}"\ni_have_permission = true\n'
            f'max_in_flight = 200\ntimeout = "{scenario.provider.timeout_s:g}s"\n'
            f"[run]\nchunk_size = {CHUNK}\nchunks_at_once = {SLOTS}\n"
            'tries = 10\nretries = 10\nretry_delay = "1s"\n'
        )
        said = folder / "log"

        def start(*words: str) -> subprocess.Popen[bytes]:
            with said.open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "bench.lab_command", *words],
                    cwd=folder,
                    env={
                        **environment(),
                        "VENTIL_DATABASE_URL": database,
                        "NO_COLOR": "1",
                    },
                    stdout=log,
                    stderr=log,
                )
            stack.callback(end, process)
            return process

        def wait_for(process: subprocess.Popen[bytes]) -> None:
            if process.wait(_START_S) != 0:
                raise RuntimeError(said.read_text()[-2000:])

        wait_for(start("db", "upgrade"))
        crew = [start("worker", "--quiet", "--slots", str(SLOTS)) for _ in range(workers)]
        deadline_s = time.monotonic() + _START_S
        while len(server.run("SELECT 1 FROM ventil.worker", database=database)) < workers:
            if time.monotonic() > deadline_s or any(p.poll() is not None for p in crew):
                raise RuntimeError(said.read_text()[-2000:])
            time.sleep(0.1)
        load = os.getloadavg()[0]
        oracle_s = scenario.oracle_s(seed)
        follower = start("stats", "names.json", "--period", DAY, "--quiet")
        deadline_s = time.monotonic() + GIVE_UP * oracle_s + _START_S
        found = report(url)
        while found["ok"] < scenario.n and time.monotonic() < deadline_s:
            if follower.poll() not in (None, 0):
                raise RuntimeError(said.read_text()[-2000:])
            time.sleep(0.25)
            found = report(url)
        notes = [line for line in said.read_text().splitlines() if "is ready" not in line]
    crowd = virtual.Workers(workers, slots=SLOTS, chunk=CHUNK)
    model = virtual.run(scenario, crowd, seed=seed)
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "workers": workers,
        "seed": seed,
        "records": scenario.n,
        "load": round(load, 1),
        "finished": found["ok"] >= scenario.n,
        "oracle_s": digits(oracle_s),
        "makespan_s": digits(found["makespan_s"]),
        "ratio": digits(found["makespan_s"] / oracle_s),
        "waste": digits(found["requests"] / scenario.n - 1),
        "overload": digits(found["overload"]),
        "outage_sent": found["outage_sent"],
        "server_cpu": digits(found["cpu_s"] / found["makespan_s"]),
        "server_latest_ms": digits(1000 * found["latest_s"]),
        "virtual": {
            "ratio": digits(model.ratio),
            "waste": digits(model.waste),
            "overload": digits(model.overload),
            "outage_sent": model.outage_sent,
        },
        "notes": notes[-10:],
    }


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and see that it does."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.shared_pace")
    parser.add_argument("--quick", action="store_true", help="a few records: does it work?")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--scenario", help=f"of {','.join(SHARED)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="default: bench/results/, unless --quick")
    options = parser.parse_args()
    names = options.scenario.split(",") if options.scenario else list(SHARED)
    scenarios = [SHARED[name] for name in names]
    if options.quick:
        scenarios = [replace(scenarios[0], n=60)]
    server = PostgresServer()

    def one_of(scenario: Scenario) -> dict[str, Any]:
        one = experiment(server, scenario, options.workers, options.seed)
        words = f"{one['scenario']}: {one['ratio']} (virtual {one['virtual']['ratio']})"
        print(words, *one["notes"], sep="\n  ", file=sys.stderr, flush=True)
        return one

    try:
        with ThreadPoolExecutor(2) as pool:  # the last first: it takes longest
            found = [*pool.map(one_of, reversed(scenarios))][::-1]
    finally:
        server.stop()
    table(
        f"{options.workers} workers, over HTTP (in virtual time)",
        (
            *("", "records", "oracle s", "took s", "makespan / oracle", "waste %"),
            *("overload %", "into the outage", "load before"),
        ),
        [
            (
                one["scenario"],
                one["records"],
                one["oracle_s"],
                one["makespan_s"],
                f"{one['ratio']:.3f} ({one['virtual']['ratio']:.3f})",
                f"{100 * one['waste']:.2f} ({100 * one['virtual']['waste']:.2f})",
                f"{100 * one['overload']:.1f} ({100 * one['virtual']['overload']:.1f})",
                ""
                if one["outage_sent"] is None
                else f"{one['outage_sent']} ({one['virtual']['outage_sent']})",
                one["load"],
            )
            for one in found
        ],
    )
    print()
    goals = []
    for one in found if not options.quick else ():
        name = f"{one['workers']} workers, {one['scenario']}"
        goals.append(goal(f"{name}: makespan / oracle", one["ratio"], RATIO))
        if one["outage_sent"] is not None:
            goals.append(goal(f"{name}: into the outage", one["outage_sent"], OUTAGE_SENT))
    result = {"bench": "shared_pace", **conditions(quick=options.quick)}
    output = options.output or (None if options.quick else RESULTS / "shared_pace.json")
    if output is not None:
        document = {**result, "goals": goals, "results": found}
        output.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
