"""`ventil sim` and `ventil demo`: providers to practise on."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ventil.errors import UserError


def add_to(app: App) -> None:
    """Add the commands to the app."""
    app.command(sim)
    app.command(demo)


def sim(
    provider: Annotated[str, Parameter(help="What to simulate: npm.")] = "npm",
    *,
    scenario: Annotated[str, Parameter(help="A preset or a scenario file.")] = "calm",
    port: Annotated[int, Parameter(help="0 takes a free one.")] = 8123,
    seed: Annotated[int, Parameter(help="Chance is repeatable by it.")] = 0,
    counts: Annotated[Path | None, Parameter(help="stats.json, .tsv(.gz) or JSON.")] = None,
    counts_are: Annotated[str | None, Parameter(help="last-day, -week, -month.")] = None,
    today: Annotated[dt.datetime | None, Parameter(help="The server's day.")] = None,
    log: Annotated[Path | None, Parameter(help="Append one JSON line per request.")] = None,
    speed: Annotated[float, Parameter(help="Seconds of the server per real second.")] = 1.0,
) -> int:
    """Serve a provider on loopback to practise on: real names and counts, faults on demand.

    Presets: calm, unlimited, npm (as strict as in 2026), demo, hostile.

    Example: ventil sim npm --scenario hostile --port 8123
    """
    if not 0 <= port <= 65535:
        raise UserError(f"--port {port} is no port", hint="0 to 65535; 0 takes a free one")
    if provider != "npm":
        raise UserError(f"there is no simulator for {provider!r}", hint="ventil sim npm")
    from ventil.sim.npm.main import run

    run(
        scenario=scenario,
        port=port,
        seed=seed,
        counts=counts,
        counts_are=counts_are,
        today=today.date() if today else None,
        log=log,
        speed=speed,
    )
    return 0


def demo(
    *,
    folder: Annotated[Path, Parameter(help="Where the artefact and the state go.")] = Path(
        "ventil-demo"
    ),
) -> int:
    """Run the main job on a shipped catalogue against a simulated npm, in under a minute.

    The run meets a throttle, a name that npm refuses, a zero that has not settled and
    records that keep failing, and publishes all the same.

    Example: ventil demo
    """
    from ventil.cli.demonstration import run_demo

    return run_demo(folder)
