"""Simulated registries and code hosts in a thread, so that a command can block this one."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from ventil.sim.hosts import HostsSim, World, build
from ventil.sim.npm.clock import SystemClock

TOKEN = "sim-token"
SPEED = 100.0
"""The hosts' own limits are by their clock, which runs fast: what a test waits for is ours."""


class HostsThread:
    """The hosts of *world*, and what each of them was asked."""

    def __init__(self, world: World, *, speed: float = SPEED) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.world = world
        self._sim = HostsSim(world, clock=SystemClock(speed))
        self._wait(self._sim.__aenter__())

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    @property
    def purls(self) -> list[str]:
        """The packages of the world."""
        return [package.purl for package in self.world.packages.values()]

    def asked(self) -> Counter[tuple[str, str]]:
        """How often each host was asked each question, so far; see `Books.targets`."""

        async def count() -> Counter[tuple[str, str]]:
            return Counter(
                {
                    (name, target): number
                    for name, books in self._sim.hosts.books.items()
                    for target, number in books.targets.items()
                }
            )

        found: Counter[tuple[str, str]] = self._wait(count())
        return found

    def requests(self) -> int:
        """How many requests all hosts got, so far."""

        async def count() -> int:
            return sum(self._sim.hosts.requests.values())

        found: int = self._wait(count())
        return found

    def settings(self, *, max_in_flight: int = 2, token: bool = True) -> str:
        """A `ventil.toml` that points everything here, without limits of our own."""
        lines = ["[run]", 'retry_delay = "0.2s"', "chunk_size = 40"]
        for name, url in self._sim.urls.items():
            if name != "pypi-files":
                lines += [f"[providers.{name}]", f'base_url = "{url}"', "quotas = []"]
                lines += [f"max_in_flight = {max_in_flight}", 'cooldown = "1s"']
            if name == "github" and token:
                lines.append('credential = "env:SIM_TOKEN"')
        return "\n".join(lines) + "\n"

    def furnish(self, folder: Path, **options: Any) -> None:
        """Write settings and a catalogue of all packages into *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ventil.toml").write_text(self.settings(**options))
        (folder / "packages.txt").write_text("\n".join(self.purls) + "\n")

    def close(self) -> None:
        """End the servers and their thread."""
        self._wait(self._sim.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def world_of(count: int, seed: int = 5) -> World:
    """A world, the same for the same arguments."""
    return build(count, seed)
