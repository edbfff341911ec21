"""The simulator as a process of its own: `ventil sim npm`, `python -m ventil.sim.npm`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime as dt
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ventil.errors import SettingError, VentilError
from ventil.sim.npm.clock import SystemClock
from ventil.sim.npm.counts import WINDOW_DAYS, load
from ventil.sim.npm.load import named_or_file
from ventil.sim.npm.presets import PRESETS
from ventil.sim.npm.server import NpmSim


def run(
    scenario: str = "calm",
    port: int = 0,
    host: str = "127.0.0.1",
    seed: int = 0,
    counts: Path | None = None,
    counts_are: str | None = None,
    today: dt.date | None = None,
    log: Path | None = None,
    speed: float = 1.0,
    latency_s: float | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; prints `listening http://HOST:PORT` when ready.

    *scenario* is a preset's name or a file. *counts* None: the shipped sample; *counts_are*
    None: what the file suggests (`counts.load`). *today* None: the real UTC day. *speed*:
    seconds of the server per real second. *latency_s* replaces the scenario's.
    Raises PortError, SettingError, SourceError or OutputError.
    """
    if speed <= 0:
        raise SettingError(f"speed is {speed}: must be above 0")
    played = named_or_file(scenario)
    if latency_s is not None:
        played = dataclasses.replace(played, latency_s=latency_s, latency_sigma=0.0)
    sim = NpmSim(
        played,
        load(counts, counts_are) if counts is not None else None,
        seed=seed,
        today=today,
        clock=SystemClock(speed),
        host=host,
        port=port,
        log=log,
    )
    asyncio.run(_serve(sim))


async def _serve(sim: NpmSim) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with sim:
        print(f"listening {sim.url}", flush=True)
        await stop.wait()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run` to *parser*."""
    parser.add_argument(
        "scenario", nargs="?", default="calm", help=f"{', '.join(sorted(PRESETS))}, or a file"
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--counts", type=Path, help="stats.json, name<TAB>count lines, JSON")
    parser.add_argument("--counts-are", choices=sorted(WINDOW_DAYS), dest="counts_are")
    parser.add_argument("--today", type=dt.date.fromisoformat, help="YYYY-MM-DD")
    parser.add_argument("--log", type=Path, help="append a JSON line per event")
    parser.add_argument("--speed", type=float, default=1.0, help="server seconds per second")
    parser.add_argument("--latency", type=float, dest="latency_s", help="seconds per answer")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ventil.sim.npm",
        description="npm's download counts, simulated on loopback",
    )
    add_arguments(parser)
    try:
        run(**vars(parser.parse_args(arguments)))
    except VentilError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0
