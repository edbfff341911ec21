"""A simulated npm in one process, `ventil` in others, and what was stored when they died."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
MAX_IN_FLIGHT = 4
QUOTA = 40
FAILING = "@s/n7"
COUNTS = {f"plain-{i}": 100 + i for i in range(12)} | {
    f"@s/n{i}": 20_000 + i for i in range(36)
}

QUOTAS = [{"limit": QUOTA, "window_s": 1.0}]
CALM: Mapping[str, Any] = {"latency_s": 0.02, "quotas": QUOTAS}
ONE_FAILS: Mapping[str, Any] = {
    **CALM,
    "behaviours": [{"kind": "fail", "names": [FAILING], "status": 500}],
}
MOST_S = 60.0
"""No command here takes so long, however slow the machine."""


def environment(**more: str) -> dict[str, str]:
    """This process's environment without Ventil's variables, and *more*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VENTIL_")}
    return kept | {"PYTHONPATH": str(SOURCE), "NO_COLOR": "1"} | more


@dataclass
class Simulator:
    """The simulated npm as a process. `log` is its file of events, one JSON object a line."""

    url: str
    log: Path

    def play(self, scenario: Mapping[str, Any]) -> None:
        """Change to *scenario*; forget what was counted."""
        self._control("play", json.dumps(scenario).encode())

    def report(self) -> dict[str, Any]:
        return self._control("report", None)

    def _control(self, verb: str, body: bytes | None) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/-/sim/{verb}", data=body)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return dict(json.load(answer))

    def mark(self) -> int:
        """Where the log's last whole line ends now."""
        return self.log.read_bytes().rfind(b"\n") + 1

    def asked(self, since: int = 0, until: int | None = None) -> list[dict[str, Any]]:
        """The requests of a part of the log."""
        with self.log.open("rb") as file:
            file.seek(since)
            data = file.read(-1 if until is None else until - since)
        whole = data[: data.rfind(b"\n") + 1]  # the last line may be under way
        events = [json.loads(line) for line in whole.splitlines()]
        return [event for event in events if event["event"] == "asked"]

    def names(self, since: int = 0) -> Counter[str]:
        """How often each record was asked for since a mark."""
        return Counter(name for event in self.asked(since) for name in event["names"])


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    said: str
    took_s: float


@dataclass
class Bench:
    """A folder in which `ventil` commands are given to one simulator."""

    sim: Simulator
    folder: Path
    settings: dict[str, str]
    start: int = 0
    stored: list[tuple[int, frozenset[str]]] = field(default_factory=list)
    kills: int = 0
    opened: list[subprocess.Popen[str]] = field(default_factory=list)

    def environ(self, crash_at: str | None = None, **more: str) -> dict[str, str]:
        crash = {} if crash_at is None else {"VENTIL_CRASH_AT": crash_at}
        return environment(**self.settings, **crash, **more)

    def open(
        self, *words: str, crash_at: str | None = None, **more: str
    ) -> subprocess.Popen[str]:
        """Start a command and do not wait for it."""
        process = subprocess.Popen(
            [sys.executable, "-m", "ventil.cli.main", *words],
            cwd=self.folder,
            env=self.environ(crash_at, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.opened.append(process)
        return process

    def run(self, *words: str, crash_at: str | None = None, **more: str) -> Ended:
        """Give a command and wait for its end."""
        began_s = time.monotonic()
        process = self.open(*words, crash_at=crash_at, **more)
        return self.end(process, began_s)

    def end(self, process: subprocess.Popen[str], began_s: float | None = None) -> Ended:
        """Wait for a command's end."""
        try:
            out, said = process.communicate(timeout=MOST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, said = process.communicate()
            pytest.fail(f"no end within {MOST_S} s: {said}")
        took_s = 0.0 if began_s is None else time.monotonic() - began_s
        return Ended(process.returncode, out, said, took_s)

    def wait_for(self, requests: int, process: subprocess.Popen[str]) -> None:
        """Return when so many requests have arrived since now, or the process has ended."""
        mark, until_s = self.sim.mark(), time.monotonic() + MOST_S
        while len(self.sim.asked(mark)) < requests and process.poll() is None:
            assert time.monotonic() < until_s, "no requests"
            time.sleep(0.005)

    def kill_under_way(self, requests: int, *words: str) -> Ended:
        """Give a command and kill it when so many of its requests have arrived."""
        process = self.open(*words)
        self.wait_for(requests, process)
        process.kill()
        ended = self.end(process)
        self.note_kill()
        return ended

    def kill_at(self, point: str, *words: str) -> Ended:
        """Give a command that dies at *point*, and note what it had stored by then."""
        ended = self.run(*words, crash_at=point)
        self.note_kill()
        return ended

    def note_kill(self) -> None:
        self.kills += 1
        self.stored.append((self.sim.mark(), self.settled()))

    def settled(self) -> frozenset[str]:
        """The records that the ledger has settled, read from a copy of its files."""
        place = self.folder / ".ventil" / "ventil.sqlite"
        if not place.exists():
            return frozenset()
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for path in place.parent.glob("ventil.sqlite*"):
            shutil.copy(path, copy / path.name)
        db = sqlite3.connect(copy / place.name)
        try:
            rows = db.execute("SELECT key FROM sample WHERE status IN ('ok', 'unknown')")
            return frozenset(row[0] for row in rows)
        except sqlite3.OperationalError:  # killed before there were tables
            return frozenset()
        finally:
            db.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read the state database; only while no command runs."""
        db = sqlite3.connect(self.folder / ".ventil" / "ventil.sqlite")
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()

    def artefact(self) -> dict[str, Any]:
        """The published numbers, without the time of publishing."""
        value = dict(json.loads((self.folder / "stats.json").read_text()))
        del value["updated"]
        return value

    def report(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "stats.report.json").read_text()))

    @property
    def requests(self) -> int:
        """Requests that have arrived since this bench was opened."""
        return len(self.sim.asked(self.start))

    def nothing_stored_is_asked_again(self) -> None:
        """No record that the ledger had settled at a kill is asked for after it."""
        for number, (mark, settled) in enumerate(self.stored):
            again = settled & set(self.sim.names(mark))
            assert not again, f"after kill {number + 1}: {sorted(again)}"


OpenBench = Callable[..., Bench]
