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
    provider: Annotated[str, Parameter(help="What to simulate: npm, hosts or orders.")] = "npm",
    *,
    scenario: Annotated[
        str, Parameter(help="A preset or a scenario file; hosts, orders: calm or rough.")
    ] = "calm",
    port: Annotated[int, Parameter(help="0 takes a free one.")] = 8123,
    seed: Annotated[int, Parameter(help="Chance is repeatable by it.")] = 0,
    counts: Annotated[Path | None, Parameter(help="stats.json, .tsv(.gz) or JSON.")] = None,
    counts_are: Annotated[str | None, Parameter(help="last-day, -week, -month.")] = None,
    today: Annotated[dt.datetime | None, Parameter(help="The server's day.")] = None,
    log: Annotated[Path | None, Parameter(help="Append one JSON line per request.")] = None,
    speed: Annotated[float, Parameter(help="Seconds of the server per real second.")] = 1.0,
    packages: Annotated[int, Parameter(help="Of hosts: how many packages there are.")] = 100,
    folder: Annotated[
        Path | None,
        Parameter(help="Of hosts: write ventil.toml and packages.txt for them there."),
    ] = None,
) -> int:
    """Serve a provider on loopback to practise on: real names and counts, faults on demand.

    npm is the download counts; presets: calm, unlimited, npm (as strict as in 2026), demo,
    hostile. hosts are the registries of npm, PyPI, RubyGems and crates.io, and GitHub, GitLab
    and Codeberg, a port each from --port on, for `ventil changelog run`. orders is a provider
    that answers half a minute later, by a callback.

    Example: ventil sim npm --scenario hostile --port 8123
    """
    if not 0 <= port <= 65535:
        raise UserError(f"--port {port} is no port", hint="0 to 65535; 0 takes a free one")
    if provider == "hosts":
        from ventil.cli.simulated_hosts import serve

        serve(count=packages, mood=scenario, port=port, seed=seed, speed=speed, folder=folder)
        return 0
    if provider == "orders":
        from ventil.sim.orders.server import run as take_orders

        take_orders(scenario=scenario, port=port, seed=seed, speed=speed)
        return 0
    if provider != "npm":
        raise UserError(
            f"there is no simulator for {provider!r}", hint="ventil sim npm, hosts or orders"
        )
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
    job: Annotated[str, Parameter(help="What to show: stats or changelogs.")] = "stats",
    *,
    folder: Annotated[Path, Parameter(help="Where the artefact and the state go.")] = Path(
        "ventil-demo"
    ),
) -> int:
    """Run the main job on a shipped catalogue against a simulated npm, in under a minute.

    The run meets a throttle, a name that npm refuses, a zero that has not settled and
    records that keep failing, and publishes all the same. `ventil demo changelogs` finds,
    reads and publishes the changelogs of sixty packages from simulated registries and code
    hosts, and looks at them again a week later.

    Example: ventil demo
    """
    if job == "changelogs":
        from ventil.cli.changelog_demonstration import run_changelog_demo

        return run_changelog_demo(folder)
    if job != "stats":
        raise UserError(
            f"there is no demo of {job!r}", hint="ventil demo, or ventil demo changelogs"
        )
    from ventil.cli.demonstration import run_demo

    return run_demo(folder)
