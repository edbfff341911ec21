"""The program of the how-to page, a simulated provider and `serve`, as processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ventil.sim.orders import OrdersSim, Seen

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "how-to" / "collect-later.md"
MOST_S = 120.0  # no measure of speed: when something hangs


def program(*, within: str = "6 * 3600", every: str = "15 * 60") -> str:
    """The program that the page shows, with other times in it."""
    found = re.search(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    assert found is not None
    text = found[1]
    for old, new in (("6 * 3600", within), ("15 * 60", every)):
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


class Orders:
    """The simulated provider in a thread of its own."""

    def __init__(self, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._sim = OrdersSim(**options)
        self._wait(self._sim.__aenter__())
        self.url = self._sim.url

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    @property
    def seen(self) -> Seen:
        """What it has seen."""
        return self._sim.seen

    def answer_all(self) -> None:
        """Answer all orders, and all to come at once."""
        self._sim.delay_s = 0.0
        self._wait(self._sim.answer_all())

    def close(self) -> None:
        """End the server and its thread."""
        self._wait(self._sim.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass
class LaterBench:
    """A folder with the program and its records."""

    folder: Path
    database: str
    stack: ExitStack
    environ: dict[str, str] = field(default_factory=dict)

    def set_up(self, records: list[str], text: str, **orders: Any) -> Orders:
        """Write the program, start the provider and the server."""
        (self.folder / "orders.py").write_text(text)
        (self.folder / "records.txt").write_text("".join(f"{r}\n" for r in records))
        sim = Orders(**orders)
        self.stack.callback(sim.close)
        self.environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "NO_COLOR": "1",
            "VENTIL_DATABASE_URL": self.database,
            "VENTIL_PROVIDERS__ORDERS__BASE_URL": sim.url,
            "VENTIL_PROVIDERS__ORDERS__QUOTAS": "500/s",
        }
        return sim

    def serve(self) -> str:
        """Start the server; its address, which callbacks are given from now on."""
        served = self.start("serve", "--port", "0")
        assert served.stdout is not None
        line = served.stdout.readline()
        assert line.startswith("listening "), served.communicate(timeout=MOST_S)
        url = line.split()[1]
        self.environ["VENTIL_CALLBACK_URL"] = url
        return url

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """A command of the program, under way."""
        process = subprocess.Popen(
            [sys.executable, "orders.py", *words],
            cwd=self.folder,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stack.callback(end, process)
        return process

    def run(self, *words: str, **environ: str) -> tuple[int, str]:
        """A command to its end: exit code, and what it said."""
        process = self.start(*words, **environ)
        out, err = process.communicate(timeout=MOST_S)
        return process.returncode, out + err

    def job(self, *words: str, **environ: str) -> tuple[int, str]:
        """The job to its end."""
        return self.run("orders", "records.txt", "--quiet", *words, **environ)

    def answers(self) -> Mapping[str, tuple[str, int | None]]:
        """Status and value of every record that is published."""
        lines = (self.folder / "orders.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in lines]
        return {one["key"]: (one["status"], one["value"]) for one in found}

    def detail(self, key: str) -> str:
        """What the report says of a record."""
        report = json.loads((self.folder / "orders.report.json").read_text())
        [detail] = [one["detail"] for one in report["records"] if one["key"] == key]
        return str(detail)


def until(done: Callable[[], bool]) -> None:
    """Return when *done* says so."""
    deadline_s = time.monotonic() + MOST_S
    while not done():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process that a test left, and close its pipes."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate()
