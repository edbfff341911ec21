"""`python -m ventil.sim.lab.over_http SCENARIO [--seed N]`: serve until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence

from ventil.sim.lab.over_http.scenarios import SCENARIOS
from ventil.sim.lab.over_http.server import LabServer


def main(arguments: Sequence[str] | None = None) -> None:
    """Print `listening http://HOST:PORT` when ready."""
    parser = argparse.ArgumentParser(prog="python -m ventil.sim.lab.over_http")
    parser.add_argument("scenario", choices=list(SCENARIOS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    asyncio.run(_serve(options.scenario, options.seed))


async def _serve(name: str, seed: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with LabServer(SCENARIOS[name], seed) as server:
        print(f"listening {server.url}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    main()
