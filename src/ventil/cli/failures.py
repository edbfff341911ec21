"""`ventil failures`: the records that failed for good; inspect, replay, drop."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ventil.cli.again import go_on
from ventil.cli.console import print_json, print_table, put, say
from ventil.cli.runs import open_workshop, resolve
from ventil.cli.stats import Config, Database, Json, MaxWait, Quiet
from ventil.errors import UserError

if TYPE_CHECKING:
    from ventil.ports import Failure

Run = Annotated[str | None, Parameter(help="Only of this run (or `last`).")]
Keys = Annotated[
    list[str] | None, Parameter(name="--key", help="Only this record; may be repeated.")
]


def add_to(app: App) -> None:
    """Add the commands to the app."""
    group = App(name="failures", help="The failure queue: list, show, replay, drop.")
    group.default(list_)
    group.command(list_, name="list")
    group.command(show)
    group.command(replay)
    group.command(drop)
    app.command(group)


def list_(
    run: Run = None,
    *,
    all: Annotated[
        bool, Parameter(negative="", help="Also those that were replayed or dropped.")
    ] = False,
    database: Database = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """List what is in the failure queue.

    Example: ventil failures list last
    """
    found = _failures(run, database, config, state=None if all else "open")
    if json:
        print_json([_as_data(failure) for failure in found])
        return 0
    if not found:
        say("the failure queue is empty")
        return 0
    print_table(
        ("run", "record", "status", "tries", "state", "why"),
        [(f.run_id, f.key, f.status, f.attempts, f.state, f.detail) for f in found],
    )
    return 0


def show(
    key: Annotated[str, Parameter(help="The record.")],
    *,
    run: Run = None,
    database: Database = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Show one record's failures, with the request that was made.

    Example: ventil failures show @scope/name
    """
    found = [f for f in _failures(run, database, config, state=None) if f.key == key]
    if not found:
        raise UserError(f"{key} is not in the failure queue", hint="ventil failures list --all")
    if json:
        print_json([_as_data(failure) for failure in found])
        return 0
    for failure in found:
        for name, value in _as_data(failure).items():
            put(f"{name:9} {value}")
        put()
    return 0


def replay(
    run: Annotated[str, Parameter(help="The run, or `last`.")] = "last",
    *,
    key: Keys = None,
    max_wait: MaxWait = "30m",
    database: Database = None,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Ask again for a run's failed records and patch the same artefact.

    Example: ventil failures replay last
    """
    workshop = open_workshop(database, config)
    run_id = resolve(workshop, run)
    return go_on(
        workshop,
        run_id,
        max_wait=max_wait,
        as_json=json,
        quiet=quiet,
        keys=lambda: _keys_of(run_id, key, database, config),
    )


def drop(
    run: Annotated[str, Parameter(help="The run, or `last`.")] = "last",
    *,
    key: Keys = None,
    database: Database = None,
    config: Config = None,
) -> int:
    """Take records out of the failure queue: nobody needs them any more.

    Example: ventil failures drop last --key left-pad
    """
    workshop = open_workshop(database, config)
    run_id = resolve(workshop, run)
    keys = _keys_of(run_id, key, database, config)
    store = workshop.store(create=False)
    dropped = store.close_failures(run_id, keys, "dropped")
    store.close()
    say(f"dropped {dropped} of run {run_id}")
    return 0


def _keys_of(
    run_id: str, keys: list[str] | None, database: Database, config: Config
) -> list[str]:
    """The open failures' records of a run, all or the named ones. Raises UserError."""
    open_keys = [f.key for f in _failures(run_id, database, config, state="open")]
    if not open_keys:
        raise UserError(f"run {run_id} has no open failures", hint="ventil failures list")
    wanted = open_keys if keys is None else [k for k in open_keys if k in keys]
    missing = [k for k in keys or [] if k not in open_keys]
    if missing:
        raise UserError(
            f"{', '.join(missing)}: not in the failure queue of run {run_id}",
            hint=f"ventil failures list {run_id}",
        )
    return wanted


def _failures(
    run: str | None, database: Database, config: Config, *, state: str | None
) -> list[Failure]:
    workshop = open_workshop(database, config)
    run_id = None if run is None else resolve(workshop, run)
    store = workshop.store(create=False)
    try:
        return store.failures(run_id=run_id, state=state)
    finally:
        store.close()


def _as_data(failure: Failure) -> dict[str, object]:
    return {
        "run": failure.run_id,
        "key": failure.key,
        "status": failure.status.value,
        "detail": failure.detail,
        "request": failure.request,
        "attempts": failure.attempts,
        "first": _iso(failure.first_s),
        "last": _iso(failure.last_s),
        "state": failure.state,
    }


def _iso(moment_s: float) -> str:
    return dt.datetime.fromtimestamp(moment_s, dt.UTC).isoformat(timespec="seconds")
