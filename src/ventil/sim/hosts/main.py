"""The simulated hosts as a process of its own: `python -m ventil.sim.hosts`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ventil.errors import SettingError, SourceError, VentilError
from ventil.sim.hosts.builder import build
from ventil.sim.hosts.hosts import MOODS
from ventil.sim.hosts.server import HostsSim
from ventil.sim.hosts.world import ECOSYSTEMS, World
from ventil.sim.npm.clock import SystemClock


def run(
    packages: Path | None = None,
    count: int = 200,
    seed: int = 0,
    mood: str = "calm",
    port: int = 0,
    host: str = "127.0.0.1",
    speed: float = 1.0,
    truth: Path | None = None,
    latency_s: float | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; prints a line of JSON with the base URLs when ready.

    *packages* is a file of package URLs, one a line; None: *count* made from *seed*. *mood*
    is one of `hosts.MOODS`, *latency_s* replaces its latency. *truth*: write what is true
    of each package there, a JSON line each. Raises SettingError, SourceError or PortError.
    """
    if mood not in MOODS:
        raise SettingError(f"there is no mood {mood!r}", hint=f"known: {', '.join(MOODS)}")
    if speed <= 0:
        raise SettingError(f"speed is {speed}: must be above 0")
    if packages is None:
        world = build(count, seed)
    else:
        world = build(seed=seed, packages=read_purls(packages))
    if truth is not None:
        write_truth(world, truth)
    played = MOODS[mood]
    if latency_s is not None:
        played = dataclasses.replace(played, latency_s=latency_s)
    sim = HostsSim(
        world, mood=played, seed=seed, clock=SystemClock(speed), host=host, port=port
    )
    asyncio.run(_serve(sim))


def read_purls(path: Path) -> list[tuple[str, str]]:
    """(ecosystem, name) of a file of package URLs, one a line. Raises SourceError."""
    found = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        purl = line.partition("#")[0].strip()
        if not purl:
            continue
        kind, slash, name = purl.removeprefix("pkg:").partition("/")
        at = name.find("@", 1)
        name = name[:at] if at > 0 else name
        if not purl.startswith("pkg:") or not slash or kind not in ECOSYSTEMS or not name:
            raise SourceError(
                f"{path}:{number}: {purl[:60]!r} is no package URL of these hosts"
            )
        found.append((kind, name.replace("%40", "@").replace("%2F", "/")))
    return found


def write_truth(world: World, path: Path) -> None:
    """Write a JSON line for each package: purl, where its changelog is, traps, versions."""
    lines = [
        json.dumps(
            {
                "purl": package.purl,
                "where": package.where,
                "has_changelog": package.has_changelog,
                "version": package.version,
                "versions": len(package.history),
                "traps": sorted(package.traps),
            }
        )
        for package in world.packages.values()
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")


async def _serve(sim: HostsSim) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with sim:
        print(json.dumps({"listening": sim.urls, "token": "sim-token"}), flush=True)
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ventil.sim.hosts",
        description="package registries and code hosts, simulated on loopback",
    )
    parser.add_argument("--packages", type=Path, help="a file of package URLs, one a line")
    parser.add_argument("--count", type=int, default=200, help="packages to make up")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mood", choices=sorted(MOODS), default="calm")
    parser.add_argument("--port", type=int, default=0, help="the first port; 0 takes free ones")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--speed", type=float, default=1.0, help="server seconds per second")
    parser.add_argument("--truth", type=Path, help="write what is true of each package there")
    parser.add_argument("--latency", type=float, dest="latency_s", help="seconds per answer")
    try:
        run(**vars(parser.parse_args(arguments)))
    except VentilError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0
