"""`ventil serve`: take answers that come later, and show how things stand."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from typing import Annotated

from cyclopts import App, Parameter

from ventil.cli.console import say
from ventil.cli.runs import open_workshop
from ventil.cli.stats import Config, Database
from ventil.errors import SettingError


def add_to(app: App) -> None:
    """Add the command to the app."""
    app.command(serve)


def serve(
    *,
    host: Annotated[str, Parameter(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="0 takes a free one.")] = 8124,
    status: Annotated[
        bool | None,
        Parameter(help="Show the status page. Default: on a loopback address only."),
    ] = None,
    database: Database = None,
    config: Config = None,
) -> int:
    """Take the answers that providers send later, and show how things stand.

    Answers come to /callbacks/TOKEN; / is a page of runs and providers, /status.json the same
    as data, /healthz says whether all is well. Runs need not be under way: an answer is kept
    until one of them, or a worker, takes it up.
    Ends with SIGTERM or Ctrl-C. For the world, put a reverse proxy with TLS before it that
    lets /callbacks/ through and nothing else, and set callback_url.

    Example: ventil serve --port 8124
    """
    from ventil.web import serve as served

    if not 0 <= port <= 65535:
        raise SettingError(f"--port {port} is no port", hint="0 to 65535; 0 takes a free one")
    workshop = open_workshop(database, config)

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await served(
            workshop,
            host=host,
            port=port,
            show_status=_is_loopback(host) if status is None else status,
            ready=lambda url: print(f"listening {url}", flush=True),
            stop=stop,
        )

    asyncio.run(work())
    say("served to the end of what was under way")
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
