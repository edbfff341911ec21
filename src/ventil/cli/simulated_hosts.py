"""`ventil sim hosts`: registries and code hosts on loopback, and settings that point there."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

from ventil.cli.console import put, say
from ventil.errors import OutputError, UserError
from ventil.sim.hosts import MOODS, HostsSim, build
from ventil.sim.npm.clock import SystemClock

TOKEN = "sim-token"  # noqa: S105 - of a simulation


def settings_of(sim: HostsSim) -> dict[str, object]:
    """Dotted settings that point a client to *sim*, and let it go as fast as it likes."""
    found: dict[str, object] = dict(sim.settings())
    for name in [key.split(".")[1] for key in found]:
        found[f"providers.{name}.quotas"] = []
        found[f"providers.{name}.max_in_flight"] = 4
    return found


def as_toml(settings: Mapping[str, object], *, token_file: str) -> str:
    """The same as a `ventil.toml`; GitHub's token stands in a file of its own."""
    lines: list[str] = []
    table = ""
    for key in sorted(settings):
        above, _, name = key.rpartition(".")
        if above != table:
            lines += ["", f"[{above}]"]
            table = above
            if above == "providers.github":
                lines.append(f'credential = "file:{token_file}"')
        value = settings[key]
        lines.append(f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}")
    return "\n".join(lines).lstrip() + "\n"


def serve(
    *, count: int, mood: str, port: int, seed: int, speed: float, folder: Path | None
) -> None:
    """Serve until SIGTERM or SIGINT; one line says where."""
    if mood not in MOODS:
        raise UserError(f"hosts have no scenario {mood!r}", hint=f"known: {', '.join(MOODS)}")
    if not 1 <= count <= 1_000_000:
        raise UserError(f"--packages {count} cannot be", hint="1 to 1000000")
    if speed <= 0:
        raise UserError(f"--speed {speed:g} must be above 0")
    asyncio.run(_serve(count, mood, port, seed, speed, folder))


async def _serve(
    count: int, mood: str, port: int, seed: int, speed: float, folder: Path | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    world = build(count, seed)
    async with HostsSim(
        world, mood=mood, seed=seed, port=port, clock=SystemClock(speed)
    ) as sim:
        if folder is not None:
            _furnish(folder, sim)
        first = next(iter(sim.urls.values()))
        put(f"listening {first} and {len(sim.urls) - 1} more: {', '.join(sim.urls)}")
        if folder is not None:
            say(f"try: cd {folder} && ventil changelog run packages.txt -o changelogs")
        await stop.wait()


def _furnish(folder: Path, sim: HostsSim) -> None:
    """Write settings, GitHub's token and a catalogue of all packages into *folder*."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        token = folder / "sim-token.txt"
        token.write_text(TOKEN + "\n")
        toml = as_toml(settings_of(sim), token_file=str(token.absolute()))
        (folder / "ventil.toml").write_text(toml)
        purls = [package.purl for package in sim.world.packages.values()]
        (folder / "packages.txt").write_text("\n".join(purls) + "\n")
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
