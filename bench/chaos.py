"""Workers killed, stopped and restarted, Postgres killed: nothing lost, nothing done twice.

    python -m bench.chaos [--seed N] [--records N] [--quick]

Four workers fetch 20,000 records from a simulated npm, one a request. At moments that the
seed chooses one of them is killed (SIGKILL) and another started, or stopped (SIGSTOP) for a
second, or stopped until the others give it up and then let go on (SIGCONT), or sent away
(SIGTERM) and another started. Or the one that paces is killed; or it is killed while another
one is stopped, which is given up later and let go on. Three times every process of Postgres is
killed (SIGKILL) and the server started again, and once a worker dies while it is away. Moments
are told by how many requests the simulator has seen, not by a clock, so a slow machine sees the
same.

Counted are what the artefact holds, and the simulator's own count of requests for records that
it had answered before. For each killed worker, from its kill on, times in which Postgres is
away included: until it was given up, the longest time without any request at the simulator, and
until every chunk it had held was claimed by a living worker (or was finished by one): that is
its recovery.
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
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bench import catalogues
from bench.cluster import Cluster, cluster
from bench.results import RESULTS, conditions, digits, goal, table

RECORDS, QUICK = 20_000, 2_400
WORKERS = 4
MOST_IN_FLIGHT = 20
CRASHES = 3
LATENCY_S, QUICK_LATENCY_S = 0.1, 0.25  # few records last until all has happened
MOST_RECOVERY_S = 10.0
_MOST_S = 600.0  # no measure of speed: when something hangs


class Act(StrEnum):
    """What is done to a worker, or to the server."""

    KILL = "kill"
    PAUSE = "pause"
    HANG = "hang"
    RESTART = "restart"
    PACER = "kill the pacer"
    BOTH = "kill the pacer, another one stopped"
    CRASH = "crash"
    DARK = "crash and kill"


@dataclass(frozen=True, slots=True)
class Event:
    """Once so many requests were seen, *act* on the worker with this place."""

    requests: int
    act: Act
    worker: int


def plan(seed: int, records: int, events: int, crashes: int) -> list[Event]:
    """What happens when; equal for equal arguments. Every kind happens at least once."""
    chance = random.Random(seed)
    kinds = [Act.KILL, Act.HANG, Act.PAUSE, Act.RESTART, Act.PACER, Act.BOTH]
    acts = [*kinds, *chance.choices(kinds, k=max(0, events - len(kinds)))][:events]
    acts += [*[Act.CRASH] * (crashes - 1), Act.DARK][:crashes]
    chance.shuffle(acts)
    moments = sorted(chance.uniform(0.03, 0.9) for _ in acts)
    return [
        Event(int(records * moment), act, chance.randrange(WORKERS))
        for moment, act in zip(moments, acts, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What followed the death of a worker, in seconds from its kill on."""

    act: str
    paced: bool
    chunks: int
    given_up_s: float
    longest_pause_s: float
    claimed_s: float


@dataclass(slots=True)
class Chaos:
    """The workers by their place, and what was seen."""

    cluster: Cluster
    places: list[tuple[subprocess.Popen[bytes], Path]] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
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
        elif event.act in (Act.KILL, Act.DARK):
            self.kill(event.worker, event.act)
        elif event.act in (Act.PACER, Act.BOTH):
            place = self.pacing()
            if event.act is Act.PACER:
                self.kill(place, event.act)
            else:
                self.both(place, (place + 1 + event.worker % (WORKERS - 1)) % WORKERS)
        elif event.act is Act.RESTART:
            process.send_signal(signal.SIGTERM)
            process.wait(_MOST_S)
            self.start(event.worker)
        else:
            process.send_signal(signal.SIGSTOP)
            if event.act is Act.PAUSE:
                time.sleep(1.0)
            else:
                until(lambda: self.is_gone(name))
            process.send_signal(signal.SIGCONT)

    def pacing(self) -> int:
        """The place of the worker that paces; any, when that is nobody's of them now."""
        names = [self.name(place) for place in range(WORKERS)]
        rows = self.cluster.rows("SELECT worker FROM ventil.pacer")
        return next((names.index(row[0]) for row in rows if row[0] in names), 0)

    def both(self, pacing: int, stopped: int) -> None:
        """Kill the one that paces just after another one was stopped, which comes back."""
        process, name = self.places[stopped][0], self.name(stopped)
        process.send_signal(signal.SIGSTOP)
        self.kill(pacing, Act.BOTH)
        until(lambda: self.is_gone(name))
        process.send_signal(signal.SIGCONT)

    def kill(self, place: int, act: Act) -> None:
        """Kill a worker, let another one come, and see how soon its chunks are claimed."""
        process, name = self.places[place][0], self.name(place)
        held = self.held(name)
        paced = bool(
            self.cluster.count(
                f"SELECT count(*) FROM ventil.pacer WHERE worker = '{name}'"  # noqa: S608
            )
        )
        if act is Act.DARK:
            self.cluster.server.kill()
        killed_s = time.monotonic()
        process.kill()
        process.wait()
        if act is Act.DARK:
            self.cluster.server.start()
        self.start(place)
        requests, last_s, longest_s = 0, killed_s, 0.0
        given_up_s: float | None = None
        while True:
            now_s = time.monotonic()
            if (seen := self.cluster.sim.report()["requests"]) != requests:
                requests, last_s = seen, now_s
            longest_s = max(longest_s, now_s - last_s)
            if given_up_s is None and self.is_gone(name):
                given_up_s = now_s - killed_s
            if given_up_s is not None and not self.still(name, held):
                break
            if now_s > killed_s + _MOST_S:
                raise RuntimeError("that did not come to an end")
            time.sleep(0.05)
        self.recoveries.append(
            Recovery(act, paced, len(held), given_up_s, longest_s, now_s - killed_s)
        )

    def held(self, name: str | None) -> dict[int, int]:
        """The unfinished chunks of a worker, and the attempts that have ended."""
        return dict(
            self.cluster.rows(
                "SELECT idx, attempts FROM ventil.chunk"  # noqa: S608 - our own words
                f" WHERE owner = '{name}' AND NOT finished"
            )
        )

    def still(self, name: str | None, held: dict[int, int]) -> bool:
        """Whether one of these is neither another's nor finished, nor was tried since."""
        rows = self.cluster.rows(
            "SELECT idx, attempts FROM ventil.chunk WHERE NOT finished"  # noqa: S608
            f" AND (owner IS NULL OR owner = '{name}')"
            f" AND idx = ANY(ARRAY{[*held]}::int[])"
        )
        return any(attempts == held[index] for index, attempts in rows)

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


def chaos(
    seed: int, records: int, events: int, crashes: int, latency_s: float = LATENCY_S
) -> dict[str, Any]:
    """One disturbed run, from its submission to its artefact."""
    happening = plan(seed, records, events, crashes)
    packages = dict(catalogues.synthetic(records, scoped=1.0, seed=seed))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names, counts, _ = catalogues.write(packages.items(), folder)
        with cluster(folder, counts=counts, latency_s=latency_s) as found:
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
        "recoveries": [
            {
                key: digits(value, 3) if isinstance(value, float) else value
                for key, value in asdict(one).items()
            }
            for one in made.recoveries
        ],
        "elapsed_s": digits(took_s),
    }


def measure(seed: int, records: int, *, quick: bool) -> dict[str, Any]:
    """One seed, and what it says of the goals."""
    sizes = (6, 2, QUICK_LATENCY_S) if quick else (24, CRASHES, LATENCY_S)
    found = chaos(seed, records, *sizes)
    happened = found["happened"]
    table(
        f"{records:,} records, {WORKERS} workers, seed {seed}",
        ("", "count"),
        [*happened.items(), ("requests", f"{found['requests']:,}")],
    )
    print()
    recoveries = found["recoveries"]
    table(
        "recovery of a dead worker's chunks, seconds from its kill",
        ("", "it paced", "chunks", "given up", "longest pause", "all claimed"),
        [
            (
                one["act"],
                "yes" if one["paced"] else "no",
                one["chunks"],
                *(one[key] for key in ("given_up_s", "longest_pause_s", "claimed_s")),
            )
            for one in recoveries
        ],
    )
    print()
    slowest = max((one["claimed_s"] for one in recoveries), default=0.0)
    events = sum(happened.values())
    goals = [
        goal("records that differ from the undisturbed artefact", found["different"], 0),
        goal(
            f"repeated requests, {events} times {MOST_IN_FLIGHT} in flight",
            found["repeated"],
            events * MOST_IN_FLIGHT,
        ),
        goal("slowest recovery of a dead worker's chunks, s", slowest, MOST_RECOVERY_S),
        goal(
            "crashes of Postgres",
            happened[Act.CRASH.value] + happened[Act.DARK.value],
            2 if quick else CRASHES,
            least=True,
        ),
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
