"""A small run beside a large one, many side by side, and one beside a provider in trouble.

    python -m bench.fairness [--quick]

Two workers, a real Postgres, a simulated npm. A run's time is counted from its submission to
the end of its last chunk, by the database's clock, so that the start of a command makes no
difference; a worker's look for new runs, twice a second, is in it.

- *small beside large*: 100 records alone, then beside a run of 100,000 that is under way on the
  same provider; under a quota, and where only the latency limits. The same with `--urgent`.
- *side by side*: five runs of one provider that begin one after another; the number of records
  that each got while all five were at work, as Jain's index of fairness.
- *trouble elsewhere*: 400 records alone, then beside a changelog run whose registries and code
  hosts accept connections and never answer, on the same two workers.
"""

from __future__ import annotations

import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.cluster import Cluster, cluster
from bench.results import digits, goal, run, table

MOST_S = 300.0
HOSTS = ("npm-registry", "pypi", "rubygems", "crates-index", "crates-static", "github",
         "gitlab", "codeberg")  # fmt: skip


_LASTED = """
SELECT max(c.since_s) - min(r.created_s)
FROM ventil.run r JOIN ventil.chunk c ON c.run_id = r.id WHERE r.id = $run
"""


def say(text: str) -> None:
    """How far it is."""
    print(text, file=sys.stderr, flush=True)


def jain(shares: Sequence[float]) -> float:
    """1 when all are equal, 1 / n when one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


class Site:
    """Submits runs to two workers and times them. Every name is asked once only."""

    def __init__(self, made: Cluster) -> None:
        self.cluster = made
        self._number = 0
        self._followers: list[subprocess.Popen[bytes]] = []

    def submit(self, count: int, *words: str) -> str:
        """Queue a run of *count* records; its id."""
        self._number += 1
        names = [f"@s{self._number}/p{n}" for n in range(count)]
        file = self.cluster.folder / f"names-{self._number}.json"
        file.write_text(json.dumps(names))
        return self._started("stats", file.name, "-o", f"out-{self._number}.json", *words)

    def changelogs(self, count: int) -> str:
        """Queue a changelog run of so many packages."""
        file = self.cluster.folder / "packages.txt"
        file.write_text("".join(f"pkg:npm/q{n}\n" for n in range(count)))
        return self._started("changelog", "run", file.name, "-o", "changelogs")

    def _started(self, *words: str) -> str:
        before = {row[0] for row in self.cluster.rows("SELECT id FROM ventil.run")}
        process = self.cluster.start(*words, "--quiet")
        found: list[str] = []
        deadline_s = time.monotonic() + MOST_S
        while not found:
            if time.monotonic() > deadline_s or process.poll() not in (None, 0):
                raise RuntimeError((self.cluster.folder / "commands.log").read_text()[-2000:])
            time.sleep(0.05)
            rows = self.cluster.rows("SELECT id FROM ventil.run")
            found = [row[0] for row in rows if row[0] not in before]
        self._followers.append(process)
        say(f"run {found[0]}: {' '.join(words)}")
        return found[0]

    def count(self, statement: str, run_id: str) -> int:
        """What the database says of a run, which the statement calls $run."""
        return self.cluster.count(statement.replace("$run", f"'{run_id}'"))

    def got(self, run_id: str) -> int:
        """Records of a run that were answered so far."""
        return self.count("SELECT count(*) FROM ventil.sample WHERE run_id = $run", run_id)

    def until(self, done: Any) -> None:
        """Return when *done* says so."""
        deadline_s = time.monotonic() + MOST_S
        while not done():
            if time.monotonic() > deadline_s:
                raise RuntimeError((self.cluster.folder / "workers.log").read_text()[-2000:])
            time.sleep(0.1)

    def lasted_s(self, run_id: str) -> float:
        """Wait for the end of a run: seconds from its submission to its last chunk's end."""
        left = "SELECT count(*) FROM ventil.chunk WHERE run_id = $run AND NOT finished"
        self.until(lambda: self.count(left, run_id) == 0)
        [(seconds,)] = self.cluster.rows(_LASTED.replace("$run", f"'{run_id}'"))
        say(f"run {run_id} lasted {seconds:.2f} s")
        return float(seconds)

    def cancel(self, run_id: str) -> None:
        """A run that need not be finished."""
        self.cluster.done("runs", "cancel", run_id)

    def end(self) -> None:
        """No follower is left behind."""
        for process in self._followers:
            if process.poll() is None:
                process.kill()
            process.wait()


@contextlib.contextmanager
def site(folder: Path, latency_s: float, toml: str = "", **provider: Any) -> Iterator[Site]:
    """A simulated npm, two workers that serve everybody, and a way to submit."""
    folder.mkdir()
    with cluster(folder, latency_s=latency_s) as made:
        made.settings(toml, **provider)
        found = Site(made)
        for _ in range(2):
            made.worker("--quiet")
        try:
            yield found
        finally:
            found.end()
            made.end_workers()


def small_beside_large(found: Site, *, small: int, large: int, times: int) -> dict[str, Any]:
    """Seconds of the small one: alone, beside the large one, and urgent beside it."""
    found.lasted_s(found.submit(small))  # the pace is found, connections are open
    alone = [found.lasted_s(found.submit(small)) for _ in range(times)]
    other = found.submit(large)
    found.until(lambda: found.got(other) >= small)
    beside = [found.lasted_s(found.submit(small)) for _ in range(times)]
    urgent = [found.lasted_s(found.submit(small, "--urgent")) for _ in range(times)]
    before = found.got(other)
    found.until(lambda: found.got(other) > before)  # it goes on
    found.cancel(other)
    lone_s = statistics.median(alone)
    return {
        "alone_s": [digits(s) for s in alone],
        "beside_s": [digits(s) for s in beside],
        "urgent_s": [digits(s) for s in urgent],
        "ratio": digits(max(beside) / lone_s),
        "ratio_urgent": digits(max(urgent) / lone_s),
        "large_got": before,
    }


def side_by_side(found: Site, *, runs: int, records: int, seconds: float) -> dict[str, Any]:
    """What each of several runs got while all were at work."""
    ids = [found.submit(records) for _ in range(runs)]
    found.until(lambda: all(found.got(one) for one in ids))
    before = [found.got(one) for one in ids]
    time.sleep(seconds)
    shares = [found.got(one) - had for one, had in zip(ids, before, strict=True)]
    for one in ids:
        found.cancel(one)
    say(f"side by side: {shares}")
    return {"got": shares, "jain": digits(jain(shares))}


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        yield server.getsockname()[1]


def beside_trouble(folder: Path, *, records: int, packages: int, times: int) -> dict[str, Any]:
    """Seconds of a run alone, and beside a run whose providers hang."""
    with black_hole() as port:
        hosts = "".join(
            f'[providers.{name}]\nbase_url = "http://127.0.0.1:{port}"\ntimeout = "5s"\n'
            for name in HOSTS
        )
        with site(folder, 0.2, hosts, quotas="[]", max_in_flight=8) as found:
            found.lasted_s(found.submit(records))
            alone = [found.lasted_s(found.submit(records)) for _ in range(times)]
            other = found.changelogs(packages)
            claimed = "SELECT count(owner) FROM ventil.chunk WHERE run_id = $run"
            found.until(lambda: found.count(claimed, other) > 0)
            time.sleep(6.0)  # the first of its requests have timed out
            beside = [found.lasted_s(found.submit(records)) for _ in range(times)]
            found.cancel(other)
    return {
        "alone_s": [digits(s) for s in alone],
        "beside_s": [digits(s) for s in beside],
        "ratio": digits(statistics.median(beside) / statistics.median(alone)),
    }


def measure(quick: bool) -> dict[str, Any]:
    """All of it."""
    small, large, times = (20, 2_000, 1) if quick else (100, 100_000, 3)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with site(folder / "quota", 0.05, quotas='["20/s"]', max_in_flight=10) as found:
            result["quota"] = small_beside_large(found, small=small, large=large, times=times)
            result["runs"] = side_by_side(
                found, runs=5, records=500 if quick else 2_000, seconds=5 if quick else 20
            )
        with site(folder / "latency", 0.2, quotas="[]", max_in_flight=8) as found:
            result["latency"] = small_beside_large(found, small=small, large=large, times=times)
        result["trouble"] = beside_trouble(
            folder / "trouble",
            records=40 if quick else 400,
            packages=100 if quick else 1_000,
            times=times,
        )
    table(
        f"{small} records beside {large:,}, seconds (alone, beside, urgent beside)",
        ("limited by", "alone", "beside", "ratio", "urgent", "ratio"),
        (
            (
                name,
                statistics.median(one["alone_s"]),
                max(one["beside_s"]),
                one["ratio"],
                max(one["urgent_s"]),
                one["ratio_urgent"],
            )
            for name, one in result.items()
            if name in ("quota", "latency")
        ),
    )
    print(f"\nfive runs side by side got {result['runs']['got']}")
    print(f"beside hanging providers {result['trouble']}\n")
    result["goals"] = [
        goal("a small run beside a large one, under a quota", result["quota"]["ratio"], 3.0),
        goal("a small run beside a large one, by latency", result["latency"]["ratio"], 3.0),
        goal("five runs share evenly (Jain)", result["runs"]["jain"], 0.95, least=True),
        goal("beside another provider's trouble", result["trouble"]["ratio"], 1.1),
    ]
    return result


if __name__ == "__main__":
    run("fairness", "Is a small run quick beside a large one, and a provider alone?", measure)
