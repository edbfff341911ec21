"""Workers killed, stopped and restarted, Postgres killed: nothing lost, nothing done twice.

    python -m bench.chaos [--seed N] [--records N] [--quick]

Four workers fetch 20,000 records from a simulated npm, one a request. At moments that the
seed chooses one of them is killed (SIGKILL) and another started, or stopped (SIGSTOP) for a
second, or stopped until the others give it up and then let go on (SIGCONT), or sent away
(SIGTERM) and another started; and three times every process of Postgres is killed (SIGKILL)
and the server started again. Moments are told by how many requests the simulator has seen,
not by a clock, so a slow machine sees the same.

Counted are what the artefact holds, the simulator's own count of requests for records that it
had answered before, and for each killed worker how long it took until every chunk it had held
was another's.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bench import catalogues
from bench.cluster import Cluster, cluster
from bench.results import RESULTS, conditions, digits, goal, table

RECORDS, QUICK = 20_000, 800
WORKERS = 4
MOST_IN_FLIGHT = 20
CRASHES = 3
LATENCY_S = 0.1
MOST_RECOVERY_S = 10.0
_MOST_S = 600.0  # no measure of speed: when something hangs


class Act(StrEnum):
    """What is done to a worker, or to the server."""

    KILL = "kill"
    PAUSE = "pause"
    HANG = "hang"
    RESTART = "restart"
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Event:
    """Once so many requests were seen, *act* on the worker with this place."""

    requests: int
    act: Act
    worker: int


def plan(seed: int, records: int, events: int, crashes: int) -> list[Event]:
    """What happens when; equal for equal arguments. Every kind happens at least once."""
    chance = random.Random(seed)
    kinds = [Act.KILL, Act.HANG, Act.PAUSE, Act.RESTART]
    acts = [*kinds, *chance.choices(kinds, k=max(0, events - len(kinds)))][:events]
    acts += [Act.CRASH] * crashes
    chance.shuffle(acts)
    moments = sorted(chance.uniform(0.03, 0.9) for _ in acts)
    return [
        Event(int(records * moment), act, chance.randrange(WORKERS))
        for moment, act in zip(moments, acts, strict=True)
    ]


@dataclass(slots=True)
class Chaos:
    """The workers by their place, and what was seen."""

    cluster: Cluster
    places: list[tuple[subprocess.Popen[bytes], Path]] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)
    started: int = 0

    def start(self, place: int | None = None) -> None:
        """A worker that has joined, at a place of one that has ended, or at a new one."""
        self.started += 1
        log = f"worker{self.started}.log"
        process = self.cluster.start("worker", "--slots", "3", log=log)
        self.cluster.workers.append(process)
        one = process, self.cluster.folder / log
        if place is None:
            self.places.append(one)
        else:
            self.places[place] = one

    def name(self, place: int) -> str | None:
        """The id under which a worker is in now; None while it has not joined."""
        text = self.places[place][1].read_text()
        found = re.findall(r"worker (\S+) serves", text)
        return found[-1] if found else None

    def act(self, event: Event) -> None:
        """Let it happen."""
        process, _ = self.places[event.worker]
        name = self.name(event.worker)
        if event.act is Act.CRASH:
            self.cluster.server.kill()
            self.cluster.server.start()
        elif event.act is Act.RESTART:
            process.send_signal(signal.SIGTERM)
            process.wait(_MOST_S)
            self.start(event.worker)
        elif event.act is Act.KILL:
            held = self.held(name)
            killed_s = time.monotonic()
            process.kill()
            process.wait()
            self.start(event.worker)
            until(lambda: not self.still(name, held))
            if held:
                self.recoveries_s.append(time.monotonic() - killed_s)
        else:
            process.send_signal(signal.SIGSTOP)
            if event.act is Act.PAUSE:
                time.sleep(1.0)
            else:
                until(lambda: self.is_gone(name))
            process.send_signal(signal.SIGCONT)

    def held(self, name: str | None) -> list[int]:
        """The unfinished chunks of a worker."""
        return [
            row[0]
            for row in self.cluster.rows(
                "SELECT idx FROM ventil.chunk"  # noqa: S608 - our own words
                f" WHERE owner = '{name}' AND NOT finished"
            )
        ]

    def still(self, name: str | None, chunks: list[int]) -> bool:
        """Whether one of these is neither another's nor finished."""
        return bool(
            chunks
            and self.cluster.count(
                "SELECT count(*) FROM ventil.chunk WHERE NOT finished"  # noqa: S608
                f" AND (owner IS NULL OR owner = '{name}') AND attempts = 0"
                f" AND idx = ANY(ARRAY{chunks})"
            )
        )

    def is_gone(self, name: str | None) -> bool:
        """Whether a worker was given up, or never was in."""
        return not self.cluster.count(
            "SELECT count(*) FROM ventil.worker"  # noqa: S608
            f" WHERE id = '{name}' AND gone IS NULL"
        )


def until(done: Callable[[], bool]) -> None:
    """Return when *done* says so."""
    end_s = time.monotonic() + _MOST_S
    while not done():
        if time.monotonic() > end_s:
            raise RuntimeError("that did not come to an end")
        time.sleep(0.1)


def chaos(seed: int, records: int, events: int, crashes: int) -> dict[str, Any]:
    """One disturbed run, from its submission to its artefact."""
    happening = plan(seed, records, events, crashes)
    packages = dict(catalogues.synthetic(records, scoped=1.0, seed=seed))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names, counts, _ = catalogues.write(packages.items(), folder)
        with cluster(folder, counts=counts, latency_s=LATENCY_S) as found:
            found.settings(
                '[run]\nchunk_size = 20\nretries = 5\nretry_delay = "1s"\n',
                quotas="[]",
                max_in_flight=MOST_IN_FLIGHT,
                timeout='"10s"',
            )
            made = Chaos(found)
            for _ in range(WORKERS):
                made.start()
            until(lambda: found.count("SELECT count(*) FROM ventil.worker") >= WORKERS)
            begun_s = time.monotonic()
            stats = found.start(
                *("stats", str(names), "-o", "stats.json", "--tolerate", "0%"),
                *("--max-wait", "1h", "--quiet"),
            )
            done: list[Event] = []
            for event in happening:
                until(
                    lambda event=event: (
                        found.sim.report()["requests"] >= event.requests
                        or stats.poll() is not None
                    )
                )
                if stats.poll() is not None:
                    break
                made.act(event)
                done.append(event)
            code = stats.wait(_MOST_S)
            took_s = time.monotonic() - begun_s
            said = (folder / "commands.log").read_text()[-2000:]
            seen = found.sim.report()
            found.end_workers()
        if code != 0:
            raise RuntimeError(f"stats ended with {code}\n{said}")
        artefact = json.loads((folder / "stats.json").read_text())["packages"]
    got = {name: row["downloads"]["npm"] for name, row in artefact.items()}
    return {
        "seed": seed,
        "records": records,
        "events": [f"{event.act} at {event.requests}" for event in done],
        "happened": {act.value: sum(e.act is act for e in done) for act in Act},
        "different": sum(got.get(name) != count for name, count in packages.items())
        + len(got.keys() - packages.keys()),
        "requests": seen["requests"],
        "repeated": seen["requests"] - records,
        "max_in_flight": seen["max_in_flight"],
        "recoveries_s": [digits(s, 3) for s in made.recoveries_s],
        "elapsed_s": digits(took_s),
    }


def measure(seed: int, records: int, *, quick: bool) -> dict[str, Any]:
    """One seed, and what it says of the goals."""
    found = chaos(seed, records, 4 if quick else 24, 1 if quick else CRASHES)
    happened = found["happened"]
    table(
        f"{records:,} records, {WORKERS} workers, seed {seed}",
        ("", "count"),
        [*happened.items(), ("requests", f"{found['requests']:,}")],
    )
    print()
    slowest = max(found["recoveries_s"], default=0.0)
    events = sum(happened.values())
    goals = [
        goal("records that differ from the undisturbed artefact", found["different"], 0),
        goal(
            f"repeated requests, {events} times {MOST_IN_FLIGHT} in flight",
            found["repeated"],
            events * MOST_IN_FLIGHT,
        ),
        goal("slowest recovery of a dead worker's chunks, s", slowest, MOST_RECOVERY_S),
        goal("crashes of Postgres", happened["crash"], 1 if quick else CRASHES, least=True),
    ]
    return {"goals": goals, **found}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--records", type=int, help=f"default: {RECORDS}")
    parser.add_argument("--quick", action="store_true", help="in small: does it hold?")
    parser.add_argument("--output", type=Path, help="default: bench/results/, unless --quick")
    options = parser.parse_args()
    records = options.records or (QUICK if options.quick else RECORDS)
    result = {
        "bench": "chaos",
        **conditions(quick=options.quick),
        **measure(options.seed, records, quick=options.quick),
    }
    output = options.output or (None if options.quick else RESULTS / "chaos.json")
    if output is not None:
        output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
