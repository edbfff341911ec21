"""`ventil worker`: take part in the runs on a shared database."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

from cyclopts import App, Parameter

from ventil.cli.console import say
from ventil.cli.progress import reporter_for
from ventil.cli.runs import open_workshop
from ventil.cli.stats import Config, Database, Quiet
from ventil.errors import Interrupted, SettingError


def add_to(app: App) -> None:
    """Add the command to the app."""
    app.command(worker)


def worker(
    *,
    providers: Annotated[
        str, Parameter(help="Whom to serve, separated by commas; or all.")
    ] = "all",
    slots: Annotated[
        int, Parameter(help="Chunks of each provider that are worked on at once.")
    ] = 10,
    shard: Annotated[
        int,
        Parameter(help="Serve a provider as one of so many workers, chosen for it; 0: of all."),
    ] = 0,
    database: Database = None,
    config: Config = None,
    quiet: Quiet = False,
) -> int:
    """Work on the runs of a shared Postgres, beside any number of other workers.

    All workers keep one set of limits: to the provider they are one client. A run is worked
    on by those who serve all of its providers. Ends with SIGTERM or Ctrl-C, after what is in
    flight; the others go on with the rest.

    Example: ventil worker --database postgresql://me@db.internal/ventil
    """
    from ventil.wiring.loop import run
    from ventil.wiring.served import all_names
    from ventil.wiring.worker import serve

    workshop = open_workshop(database, config)
    if not workshop.shared:
        raise SettingError(
            "a worker needs a shared database: --database postgresql://...",
            hint="on a SQLite file `ventil stats` does all the work itself",
        )
    if slots < 1:
        raise SettingError(f"--slots {slots} is too few", hint="give 1 or more")
    if shard < 0:
        raise SettingError(f"--shard {shard} is too few", hint="give 2 or more, or 0 for all")
    names = [name.strip() for name in providers.split(",") if name.strip()]
    if not names:
        raise SettingError("--providers names nobody", hint="such as npm-downloads, or all")
    if names == ["all"]:
        names = list(all_names())
    for name in names:
        workshop.settings.provider(name)
    workshop.store().close()  # a database that cannot be used is said at once
    workshop.check_sessions()
    reporter = reporter_for(quiet=quiet)

    async def work() -> None:
        loop = asyncio.get_running_loop()

        def leave(number: signal.Signals) -> None:
            if workshop.stop is not None:
                workshop.stop(Interrupted(f"left on {number.name}", signal=number))

        for caught in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(caught, leave, caught)
        await serve(workshop, reporter, providers=names, slots=slots, shard=shard)

    try:
        run(work())
    except Interrupted as error:
        say(error.message)
    finally:
        reporter.close()
    return 0
