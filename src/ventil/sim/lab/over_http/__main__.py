"""Serve until SIGTERM: `python -m ventil.sim.lab.over_http SCENARIO [--shared]`."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence
from dataclasses import replace

from ventil.sim.lab.over_http.scenarios import SCENARIOS, SHARED
from ventil.sim.lab.over_http.server import LabServer
from ventil.sim.lab.race import Scenario


def main(arguments: Sequence[str] | None = None) -> None:
    """Print `listening http://HOST:PORT` when ready."""
    parser = argparse.ArgumentParser(prog="python -m ventil.sim.lab.over_http")
    parser.add_argument("scenario", choices=list(SCENARIOS | SHARED))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shared", action="store_true", help="at the size for many workers")
    parser.add_argument("--records", type=int, help="only so many of them")
    options = parser.parse_args(arguments)
    scenario = (SHARED if options.shared else SCENARIOS).get(options.scenario)
    if scenario is None:
        parser.error(f"there is no such scenario at this size: {options.scenario}")
    if options.records is not None:
        scenario = replace(scenario, n=min(options.records, scenario.n))
    asyncio.run(_serve(scenario, options.seed))


async def _serve(scenario: Scenario, seed: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with LabServer(scenario, seed) as server:
        print(f"listening {server.url}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    main()
