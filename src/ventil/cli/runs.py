"""`ventil runs`: what ran, how it ended, cancel one, go on with one."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ventil.cli.again import go_on
from ventil.cli.console import about, counted, number, print_json, print_table, put, say
from ventil.cli.progress import reporter_for
from ventil.cli.stats import Config, Database, Json, MaxWait, Quiet, finish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ventil.ports import Run
    from ventil.wiring import Workshop
    from ventil.wiring.backlog import Backlog

RunId = Annotated[str, Parameter(help="The run's id, or `last`.")]

_LONG_S = 365 * 86_400.0


def add_to(app: App) -> None:
    """Add the commands to the app."""
    group = App(name="runs", help="Runs: list, show, watch, cancel, resume.")
    group.default(list_)
    group.command(list_, name="list")
    group.command(show)
    group.command(watch)
    group.command(cancel)
    group.command(resume)
    app.command(group)


def list_(
    *,
    limit: Annotated[int, Parameter(help="How many, newest first.")] = 20,
    database: Database = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """List the latest runs.

    Example: ventil runs list --limit 5
    """
    workshop = open_workshop(database, config)
    store = workshop.store(create=False)
    runs = store.runs(limit=limit)
    store.close()
    holder = workshop.lock().holder()
    if json:
        print_json([as_data(run, holder) for run in runs])
        return 0
    if not runs:
        say("no runs yet")
        return 0
    print_table(
        ("run", "state", "records", "period", "began (UTC)", "artefact"),
        [
            (
                r.id,
                state_of(r, holder),
                number(r.records),
                r.period,
                _time(r.created_s),
                r.output,
            )
            for r in runs
        ],
    )
    return 0


def show(
    run: RunId = "last",
    *,
    database: Database = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Show one run: its state, chunks, requests and what limited it.

    Example: ventil runs show last
    """
    from ventil.wiring import find_run
    from ventil.wiring.backlog import of_run

    workshop = open_workshop(database, config)
    store = workshop.store(create=False)
    found = find_run(store, run)
    chunks = store.chunk_progress(found.id)
    failures = store.failures(run_id=found.id)
    waits = store.waits(found.id)
    backlog = of_run(workshop, found, store)
    store.close()
    holder = workshop.lock().holder()
    finished = sum(row[3] for row in chunks)
    if json:
        print_json(
            {
                **as_data(found, holder),
                "chunks": {"total": len(chunks), "finished": finished},
                "backlog": backlog_data(backlog),
                "open_failures": len(failures),
                "dropped": backlog.dropped,
                "waiting": [{"key": w.key, "until": _iso(w.until_s)} for w in waits],
            }
        )
        return 0
    put(f"run        {found.id}")
    put(f"job        {found.job}")
    put(f"state      {state_of(found, holder)}{': ' if found.message else ''}{found.message}")
    put(f"period     {found.period} ({found.interval.start} to {found.interval.end})")
    put(f"began      {_time(found.created_s)} UTC")
    if found.finished_s is not None:
        took = about(found.finished_s - found.created_s)
        put(f"ended      {_time(found.finished_s)} UTC, after {took}")
    put(f"records    {number(found.records)}, {number(found.settled_before)} settled before")
    put(f"chunks     {number(finished)} of {number(len(chunks))} finished")
    put(f"backlog    {backlog_words(backlog_data(backlog))}")
    put(f"failures   {number(len(failures))} open, {number(backlog.dropped)} dropped")
    if waits:
        put(f"waiting    {number(len(waits))} for a later answer, until "
            f"{_time(waits[-1].until_s)} UTC: {waits[0].key}"
            + (" and others" if len(waits) > 1 else ""))  # fmt: skip
    requests = found.tallies.get("requests", {})
    put("requests   " + (", ".join(f"{v} {k}" for k, v in requests.items()) or "none"))
    for reason, seconds in sorted(
        found.tallies.get("waits_s", {}).items(), key=lambda item: -item[1]
    ):
        put(f"limited by {reason}: {about(seconds)}")
    return 0


def watch(run: RunId = "last", *, database: Database = None, config: Config = None) -> int:
    """Follow a run that another process works on, until it ends.

    On a shared database the artefact is published at the end, here, if nobody else
    follows the run.

    Example: ventil runs watch last
    """
    from ventil.wiring import find_run

    workshop = open_workshop(database, config)
    store = workshop.store(create=False)
    found = find_run(store, run)
    if workshop.shared and found.state.resumable:
        from ventil.wiring.shared import watch as follow

        store.close()
        reporter = reporter_for(quiet=False)
        return finish(
            lambda: follow(workshop, found.id, reporter, max_wait_s=_LONG_S),
            workshop,
            reporter,
            as_json=False,
        )
    while True:
        found = store.run(found.id) or found
        holder = workshop.lock().holder()
        rows = store.chunk_progress(found.id)
        finished = sum(row[3] for row in rows)
        sent = found.tallies.get("requests", {}).get("sent", 0)
        say(
            f"{state_of(found, holder)}: {number(finished)}/{number(len(rows))} chunks, "
            f"{number(sent)} requests"
        )
        if not (found.state.resumable and works_on(holder, found)):
            break
        time.sleep(2.0)
    store.close()
    return 0


def cancel(
    run: RunId,
    *,
    record: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="Only let this record wait no longer for a later answer; it fails.",
        ),
    ] = None,
    database: Database = None,
    config: Config = None,
) -> int:
    """Cancel a run. What it has answered is kept; `runs resume` goes on with it.

    Example: ventil runs cancel last
    """
    if record:
        from ventil.wiring.deferring import cancel_waits

        store = open_workshop(database, config).store(create=False)
        cancel_waits(store, run, record)
        store.close()
        say(f"{', '.join(record)}: no longer waited for; the run goes on with the others")
        return 0
    from ventil.errors import UserError
    from ventil.ports import RunState
    from ventil.wiring import find_run

    workshop = open_workshop(database, config)
    store = workshop.store(create=False)
    found = find_run(store, run)
    worked_on = works_on(workshop.lock().holder(), found)
    state = store.cancel_run(found.id, worked_on=worked_on)
    if state is None:
        over = store.run(found.id) or found
        raise UserError(f"run {found.id} is over ({over.state})")
    if state is RunState.RUNNING:
        say(f"run {found.id} will stop within a moment")
    else:
        say(f"run {found.id} is cancelled")
    store.close()
    return 0


def resume(
    run: RunId,
    *,
    max_wait: MaxWait = "30m",
    database: Database = None,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Go on with a run that was interrupted, suspended, killed or cancelled.

    Example: ventil runs resume last
    """
    workshop = open_workshop(database, config)
    return go_on(workshop, resolve(workshop, run), max_wait=max_wait, as_json=json, quiet=quiet)


def resolve(workshop: Workshop, run: str) -> str:
    """The id of a run that is named by its id or as `last`. Raises UserError."""
    from ventil.wiring import find_run

    store = workshop.store(create=False)
    try:
        return find_run(store, run).id
    finally:
        store.close()


def open_workshop(database: str | None, config: Path | None) -> Workshop:
    """The workshop of a command."""
    from ventil.wiring import Workshop

    return Workshop.load({"database_url": database}, config_file=config)


def works_on(holder: str | None, run: Run) -> bool:
    """Whether the holder of the state folder's lock works on this run."""
    if holder is None:
        return False
    # The lock says what it is held for; in the moment it changes hands it may say nothing.
    return ", " not in holder or holder.endswith((run.job, f"run {run.id}"))


def state_of(run: Run, holder: str | None) -> str:
    """The state in a word; a run that says running while nobody works on it was killed."""
    killed = run.state == "running" and not works_on(holder, run)
    return "killed" if killed else run.state.value


def backlog_data(backlog: Backlog | None) -> dict[str, Any]:
    """What is left to do, as data; None when nothing is stored yet."""
    if backlog is None:
        return {"runs": 0, "chunks": 0, "records": 0, "age_s": None}
    age_s = None if backlog.age_s is None else round(backlog.age_s, 1)
    return {"chunks": backlog.chunks, "records": backlog.records, "age_s": age_s}


def backlog_words(data: Mapping[str, Any]) -> str:
    """The same for a person."""
    if not data["chunks"]:
        return "none"
    runs = f" of {counted(data['runs'], 'run')}" if "runs" in data else ""
    return f"about {counted(data['records'], 'record')}{runs}, for {about(data['age_s'])}"


def as_data(run: Run, holder: str | None) -> dict[str, Any]:
    """A run as data."""
    return {
        "run": run.id,
        "job": run.job,
        "state": state_of(run, holder),
        "message": run.message,
        "provider": run.provider,
        "period": {
            "name": run.period,
            "start": str(run.interval.start),
            "end": str(run.interval.end),
        },
        "records": run.records,
        "settled_before": run.settled_before,
        "began": _iso(run.created_s),
        "ended": None if run.finished_s is None else _iso(run.finished_s),
        "output": run.output,
        "urgent": run.urgent,
        "requests": run.tallies.get("requests", {}),
        "waits_s": run.tallies.get("waits_s", {}),
    }


def _time(moment_s: float) -> str:
    return dt.datetime.fromtimestamp(moment_s, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _iso(moment_s: float) -> str:
    return dt.datetime.fromtimestamp(moment_s, dt.UTC).isoformat(timespec="seconds")
