"""Runs commands as a person does: in a folder of their own, against a simulated npm."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ventil.cli.main import run
from ventil.sim.npm import NpmSim, Report, Scenario

PROVIDER = "VENTIL_PROVIDERS__NPM_DOWNLOADS__"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What is on stdout, which must be one JSON value and nothing else."""
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """Both streams, for a message that may be on either."""
        return self.out + self.err


class Sim:
    """A simulated npm in a thread of its own, so that a command can block this one."""

    def __init__(self, scenario: Scenario | str, options: Mapping[str, Any]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._sim = NpmSim(scenario, **options)
        self._wait(self._sim.__aenter__())
        self.url = self._sim.url

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def report(self) -> Report:
        """What it counted."""

        async def ask() -> Report:
            return self._sim.report()

        found: Report = self._wait(ask())
        return found

    def play(self, scenario: Scenario | str) -> None:
        """Play another scenario from now on; the counts start anew."""

        async def change() -> None:
            self._sim.play(scenario)

        self._wait(change())

    def close(self) -> None:
        """End the server and its thread."""
        self._wait(self._sim.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass
class Cli:
    """Runs commands in `folder`, in this process or in one of their own."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    open: ExitStack = field(default_factory=ExitStack)

    def __call__(self, *arguments: str | Path) -> Ended:
        """Run a command in this process."""
        self.capture.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = self.capture.readouterr()
        ended = Ended(code, out, err)
        assert "Traceback" not in ended.said
        return ended

    def process(
        self,
        *arguments: str | Path,
        data: bytes = b"",
        timeout_s: float = 60.0,
        environ: Mapping[str, str] = {},
    ) -> Ended:
        """Run a command in a process of its own."""
        done = subprocess.run(
            self.command(*arguments),
            input=data,
            capture_output=True,
            timeout=timeout_s,
            env={**os.environ, **environ},
            cwd=self.folder,
            check=False,
        )
        ended = Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in ended.said
        return ended

    def without_privileges(self, *arguments: str | Path) -> Ended:
        """Run a command in a process that permissions hold for, also when root tests."""
        prefix = []
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("root may do everything, and there is no setpriv to let go of it")
            prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
        done = subprocess.run(
            [*prefix, *self.command(*arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            check=False,
        )
        if "setpriv: " in done.stderr:
            pytest.skip(f"privileges cannot be let go of: {done.stderr.strip()}")
        ended = Ended(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in ended.said
        return ended

    def command(self, *arguments: str | Path) -> list[str]:
        """The words that start a command in a process of its own."""
        return [sys.executable, "-m", "ventil.cli.main", *map(str, arguments)]

    def names(self, *names: str, file: str = "names.txt") -> str:
        """A catalogue of *names* in the folder."""
        (self.folder / file).write_text("".join(f"{name}\n" for name in names))
        return file

    def stats(self, file: str = "stats.json") -> dict[str, int]:
        """The numbers that are published."""
        table = json.loads((self.folder / file).read_text())
        assert set(table) == {"packages", "updated"}
        return {name: entry["downloads"]["npm"] for name, entry in table["packages"].items()}

    def report(self, file: str = "stats.report.json") -> dict[str, Any]:
        """The report beside them."""
        found: dict[str, Any] = json.loads((self.folder / file).read_text())
        return found

    def of_report(self, file: str = "stats.report.json") -> dict[str, str]:
        """The status of each record that the report names."""
        return {entry["key"]: entry["status"] for entry in self.report(file)["records"]}

    def sim(self, scenario: Scenario | str = "calm", **options: Any) -> Sim:
        """A simulated npm; from now on the commands ask it, as fast as they like."""
        sim = Sim(scenario, options)
        self.open.callback(sim.close)
        self.ask(sim.url)
        return sim

    def ask(self, url: str) -> None:
        """Let the commands ask at *url*: no quota, short waits."""
        self.set(PROVIDER + "BASE_URL", url)
        self.set(PROVIDER + "QUOTAS", "500/s")
        self.set(PROVIDER + "MAX_IN_FLIGHT", "4")
        self.set(PROVIDER + "COOLDOWN", "300ms")
        self.set(PROVIDER + "TIMEOUT", "2s")
        self.set("VENTIL_RUN__RETRY_DELAY", "0s")
        self.set("VENTIL_RUN__REACH_WITHIN", "1s")

    def set(self, name: str, value: str) -> None:
        """Set an environment variable for the commands."""
        self.patch.setenv(name, value)


NAMES = {f"pack-{n}": 1000 + n for n in range(12)} | {f"@s/pack-{n}": 50 + n for n in range(4)}
"""A small world: a dozen unscoped packages and four scoped ones."""
