"""Many workers are one client: do the limits hold while workers come, go and die?

    python -m bench.workers limits [--quick] [--workers 1 2 4 8] [--minutes M] [--seed S]

Real `ventil worker` processes and a real Postgres, against a provider in another process that
counts by its own clock (`bench.counting_provider`), judged by `bench.counting`. For each
number of workers a run with more records than can be fetched: a third of the time nothing
happens, then every few seconds one worker, drawn by seed, gets SIGTERM or SIGKILL and another
one is started. With one worker the other one is started first. `--stops` adds SIGSTOP for
some seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.counting import Limit, could_arrive, excess, longest_pauses, most_in_flight
from bench.processes import ROOT, VENTIL, environment
from bench.results import RESULTS, conditions, digits, goal, table

sys.path.append(str(ROOT / "tests"))  # a server from a wheel, as the tests start it

from postgres_server import PostgresServer

LIMITS: tuple[Limit, ...] = ((100, 1.0), (950, 10.0), (5400, 60.0))
"""In turn each of them binds: 100 a second at first, 95 then, 90 in the long run."""

IN_FLIGHT = 16
LATENCY_S = 0.05
MINUTES = 4.0
EVENT_S = (3.0, 7.0)
STOP_S = (1.0, 9.0)
_MOST_S = 120.0
_LEAST_USED = {1: 0.97, 8: 0.95}
"""The part of the allowed rate that is to be used, by number of workers."""


@dataclass
class Site:
    """A folder with settings, a database, a provider, and the workers that live."""

    folder: Path
    url: str
    provider: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """A command, under way."""
        with (self.folder / "log").open("ab") as said:
            return subprocess.Popen(
                (*VENTIL, *words),
                cwd=self.folder,
                env={**environment(), "VENTIL_DATABASE_URL": self.url, "NO_COLOR": "1"},
                stdout=said,
                stderr=said,
            )

    def join(self, *, wait: bool = False) -> None:
        """A worker more. *wait*: until it has joined."""
        before = self.joined()
        self.workers.append(self.start("worker"))
        self.note("start")
        deadline_s = time.monotonic() + _MOST_S
        while wait and self.joined() == before:
            if self.workers[-1].poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def joined(self) -> int:
        """Workers that ever joined."""
        rows = PostgresServer.run(None, "SELECT 1 FROM ventil.worker", database=self.url)  # type: ignore[arg-type]
        return len(rows)

    def note(self, what: str) -> None:
        """Something happened."""
        self.events.append((time.monotonic(), what))

    def before(self, at_s: float, arrived: Sequence[float]) -> str:
        """Where in the story a moment is: since the first arrival, and after what."""
        past = [
            f"{what} {at_s - then_s:.2f} s before"
            for then_s, what in self.events
            if then_s <= at_s
        ]
        return f"{at_s - arrived[0]:.2f} s; " + ", ".join(past[-3:])

    def seen(self) -> dict[str, Any]:
        """What the provider remembers."""
        with urllib.request.urlopen(f"{self.provider}/-/log", timeout=60) as answer:  # noqa: S310
            return dict(json.load(answer))


@contextmanager
def site(server: PostgresServer, names: Sequence[str], seed: int) -> Iterator[Site]:
    """Nothing has happened yet; at the end nothing is left."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ventil-")))
        command = [sys.executable, "-m", "bench.counting_provider"]
        provider = subprocess.Popen(
            [*command, "--latency", str(LATENCY_S), "--seed", str(seed)],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(provider.wait)
        stack.callback(provider.kill)
        assert provider.stdout is not None
        made = Site(folder, server.database(), provider.stdout.readline().split()[1])
        quotas = [f"{most}/{window_s:g}s" for most, window_s in LIMITS]
        (folder / "ventil.toml").write_text(
            f'[providers.npm-downloads]\nbase_url = "{made.provider}"\n'
            f"quotas = {json.dumps(quotas)}\nmax_in_flight = {IN_FLIGHT}\n"
            'i_have_permission = true\ntimeout = "10s"\n'
        )
        (folder / "names.json").write_text(json.dumps(names))
        if made.start("db", "upgrade").wait() != 0:
            raise RuntimeError((folder / "log").read_text()[-2000:])
        try:
            yield made
        finally:
            for process in made.workers:
                with suppress(ProcessLookupError):
                    process.kill()
                process.wait()


def churn(site: Site, rng: random.Random, until_s: float, *, stops: bool) -> None:
    """Somebody goes and somebody comes, every few seconds."""
    size = len(site.workers)
    while (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(left_s, rng.uniform(*EVENT_S)))
        if time.monotonic() >= until_s:
            return
        what = rng.choice(("kill", "leave", "stop") if stops else ("kill", "leave"))
        victim = rng.choice(site.workers)
        if what == "stop":
            victim.send_signal(signal.SIGSTOP)
            site.note("stop")
            time.sleep(rng.uniform(*STOP_S))
            victim.send_signal(signal.SIGCONT)
            site.note("go on")
            continue
        if size == 1:
            site.join(wait=True)
        site.workers.remove(victim)
        victim.send_signal(signal.SIGKILL if what == "kill" else signal.SIGTERM)
        site.note(what)
        if what == "kill":
            victim.wait()
        if size > 1:
            site.join()


def measure_workers(
    server: PostgresServer, workers: int, minutes: float, seed: int, *, stops: bool
) -> dict[str, Any]:
    """One number of workers: first calm, then with comings and goings."""
    lasts_s = 60 * minutes
    names = [f"@s/p{number}" for number in range(int(100 * (lasts_s + 30)))]
    with site(server, names, seed) as it:
        for _ in range(workers):
            it.join(wait=True)
        follower = it.start("stats", "names.json", "--quiet")
        try:
            deadline_s = time.monotonic() + _MOST_S
            while len(it.seen()["arrived"]) < 100:
                if follower.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError((it.folder / "log").read_text()[-2000:])
                time.sleep(0.2)
            start_s = time.monotonic()
            calm_s = start_s + lasts_s / 3
            time.sleep(lasts_s / 3)
            churn(it, random.Random(f"{seed}:{workers}"), start_s + lasts_s, stops=stops)
            end_s = time.monotonic()
        finally:
            follower.kill()
            follower.wait()
        seen = it.seen()
        said = (it.folder / "log").read_text()
    arrived: list[float] = seen["arrived"]
    windows = {}
    for limit in LIMITS:
        found = excess(arrived, limit)
        words = f"{limit[0]}/{limit[1]:g}s"
        windows[words] = {
            "violations": found.violations,
            "fullest": found.fullest,
            "after": [it.before(at_s, arrived) for at_s in found.times],
        }
    parts = {}
    for words, from_s, to_s in (("calm", start_s, calm_s), ("churn", calm_s, end_s)):
        count = sum(from_s <= t < to_s for t in arrived)
        could = could_arrive(arrived, LIMITS, from_s, to_s)
        parts[words] = {"seconds": digits(to_s - from_s), "requests": count, "could": could}
    events = [what for _, what in it.events]
    pauses = [
        {"seconds": digits(length_s), "after": it.before(from_s, arrived)}
        for length_s, from_s in longest_pauses(arrived, calm_s, end_s, 8)
    ]
    return {
        "workers": workers,
        "requests": len(arrived),
        "repeated": len(seen["names"]) - len(set(seen["names"])),
        "windows": windows,
        "violations": sum(found["violations"] for found in windows.values()),
        "most_in_flight": most_in_flight(arrived, seen["ended"]),
        "used_calm": digits(parts["calm"]["requests"] / parts["calm"]["could"]),
        "used_churn": digits(parts["churn"]["requests"] / max(1, parts["churn"]["could"])),
        "parts": parts,
        "events": {what: events.count(what) for what in sorted(set(events))},
        "pauses": pauses,
        "notes": [line for line in said.splitlines() if "joining again" in line][:20],
    }


def limits(options: argparse.Namespace) -> dict[str, Any]:
    """Every number of workers in turn."""
    minutes = 0.3 if options.quick else options.minutes
    server = PostgresServer()
    try:
        found = [
            measure_workers(server, workers, minutes, options.seed, stops=options.stops)
            for workers in ([2] if options.quick else options.workers)
        ]
    finally:
        server.stop()
    words = ", ".join(f"{most}/{window_s:g}s" for most, window_s in LIMITS)
    table(
        f"{words}, at most {IN_FLIGHT} in flight, {minutes:g} minutes each",
        (
            *("workers", "requests", "violations", "fullest windows", "in flight"),
            *("used, calm", "used, churn", "killed", "left", "twice", "longest pause s"),
        ),
        [
            (
                one["workers"],
                f"{one['requests']:,}",
                one["violations"],
                " ".join(str(w["fullest"]) for w in one["windows"].values()),
                one["most_in_flight"],
                f"{100 * one['used_calm']:.1f} %",
                f"{100 * one['used_churn']:.1f} %",
                one["events"].get("kill", 0),
                one["events"].get("leave", 0),
                one["repeated"],
                one["pauses"][0]["seconds"],
            )
            for one in found
        ],
    )
    print()
    goals = []
    for one in found:
        who = f"{one['workers']} workers"
        goals.append(goal(f"{who}: violations", one["violations"], 0))
        goals.append(goal(f"{who}: most in flight", one["most_in_flight"], IN_FLIGHT))
        most = IN_FLIGHT * sum(one["events"].get(what, 0) for what in ("kill", "leave", "stop"))
        goals.append(
            goal(f"{who}: asked twice, {most // IN_FLIGHT} gone", one["repeated"], most)
        )
        least = _LEAST_USED.get(one["workers"])
        if least is not None and not options.quick:
            part = "calm" if one["workers"] == 1 else "churn"
            goals.append(goal(f"{who}: used, {part}", one[f"used_{part}"], least, least=True))
    return {"goals": goals, "minutes": minutes, "stops": options.stops, "found": found}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument("what", choices=["limits"], nargs="?", default="limits")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work?")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for each number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stops", action="store_true", help="some are stopped for a while")
    parser.add_argument("--output", type=Path, help="default: bench/results/, unless --quick")
    options = parser.parse_args()
    result = {"bench": "workers-limits", **conditions(quick=options.quick), **limits(options)}
    output = options.output or (None if options.quick else RESULTS / "workers-limits.json")
    if output is not None:
        output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
