"""Workers as processes, against a simulated npm and a real Postgres."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from postgres_server import PostgresServer

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "cli"))  # the simulated npm in a thread

from commandline import Sim  # noqa: E402

COMMAND = [sys.executable, "-m", "ventil.cli.main"]
MOST_S = 240.0  # no measure of speed: when something hangs


@dataclass
class Site:
    """A working directory whose settings name a simulated npm and a shared database."""

    folder: Path
    url: str
    stack: ExitStack
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.environ = {
            **os.environ,
            "PYTHONPATH": str(HERE.parent.parent / "src"),
            "VENTIL_DATABASE_URL": self.url,
            "NO_COLOR": "1",
        }

    def sim(self, scenario: Any, names: list[str], **settings: Any) -> Sim:
        """A simulated npm that knows *names*; settings of the provider."""
        sim = Sim(scenario, {"counts": dict.fromkeys(names, 7)})
        self.stack.callback(sim.close)
        lines = [f'base_url = "{sim.url}"', "i_have_permission = true"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        text = "\n".join(["[providers.npm-downloads]", *lines, "[run]", "chunk_size = 10"])
        text += '\nretries = 0\nretry_delay = "1s"\n'
        (self.folder / "ventil.toml").write_text(text)
        (self.folder / "names.json").write_text(json.dumps(names))
        return sim

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command, under way."""
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stack.callback(end, process)
        return process

    def run(self, *words: str) -> tuple[int, str, str]:
        """A command to its end: exit code, stdout, stderr."""
        return ended(self.start(*words))

    def worker(self, *words: str) -> subprocess.Popen[str]:
        """A worker that has joined."""
        before = len(self.rows("SELECT 1 FROM ventil.worker"))
        process = subprocess.Popen(
            [*COMMAND, "worker", "--quiet", "--slots", "3", *words],
            cwd=self.folder,
            env=self.environ,
            stderr=open(self.folder / "workers.log", "a"),  # noqa: SIM115 - the worker's
            text=True,
        )
        self.stack.callback(end, process)
        self.until(lambda: len(self.rows("SELECT 1 FROM ventil.worker")) > before)
        return process

    def rows(self, statement: str) -> list[Any]:
        """What the database says."""
        return PostgresServer.run(None, statement, database=self.url)  # type: ignore[arg-type]

    def until(self, done: Callable[[], bool]) -> None:
        """Return when *done* says so."""
        deadline_s = time.monotonic() + MOST_S
        while not done():
            assert time.monotonic() < deadline_s
            time.sleep(0.05)

    def artefact(self) -> Mapping[str, int | None]:
        """The published numbers."""
        packages = json.loads((self.folder / "stats.json").read_text())["packages"]
        return {name: row["downloads"].get("npm") for name, row in packages.items()}


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process that a test left, stopped or not, and close its pipes."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a process: exit code, stdout, stderr."""
    out, err = process.communicate(timeout=MOST_S)
    return process.returncode, out, err


@pytest.fixture
def site(tmp_path: Path, postgres: PostgresServer) -> Iterator[Site]:
    """An empty one, its database upgraded."""
    with ExitStack() as stack:
        site = Site(tmp_path, postgres.database(), stack)
        code, _, err = site.run("db", "upgrade")
        assert code == 0, err
        yield site
