"""`ventil stats` and `ventil plan`: the main job, and what it would do."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ventil.cli.console import about, counted, number, print_json, put, say
from ventil.cli.progress import Display, reporter_for
from ventil.core.duration import parse_duration
from ventil.errors import Interrupted, SettingError, SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ventil.sources.catalogue import Catalogue
    from ventil.wiring import Asked, Result, Workshop

MOST_PROBLEMS_SHOWN = 10
STDIN = "/dev/stdin"
"""What `-` stands for."""

Database = Annotated[
    str | None,
    Parameter(
        name="--database",
        help="State: sqlite:///PATH (default: .ventil/ventil.sqlite) or postgresql://...",
    ),
]
Config = Annotated[
    Path | None, Parameter(name="--config", help="Settings file instead of ./ventil.toml.")
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Data as JSON on stdout.")]
Quiet = Annotated[
    bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress, only errors.")
]
MaxWait = Annotated[
    str,
    Parameter(
        name="--max-wait",
        help="Longest wait for the provider before the run is suspended (exit 75).",
    ),
]
CatalogueFile = Annotated[
    str,
    Parameter(help="catalog.json, a JSON array, names a line, package URLs; - for stdin."),
]
Period = Annotated[
    str, Parameter(name="--period", help="last-day, last-week, last-month, a date, or A:B.")
]
Tolerate = Annotated[
    str,
    Parameter(
        name="--tolerate",
        help="Share of records that may lack an answer (exit 3 above it).",
        allow_leading_hyphen=True,  # a negative one gets an answer that says what is wrong
    ),
]
Output = Annotated[Path, Parameter(name=["--output", "-o"], help="Where stats.json goes.")]
Urgent = Annotated[
    bool,
    Parameter(
        name="--urgent",
        negative="",
        help="A person waits for it: goes before other runs of the same provider.",
    ),
]
Refresh = Annotated[
    bool, Parameter(name="--refresh", negative="", help="Ask again for what is settled.")
]


def add_to(app: App) -> None:
    """Add the commands to the app."""
    app.command(stats)
    app.command(plan)


def stats(
    catalogue: CatalogueFile,
    *,
    output: Output = Path("stats.json"),
    period: Period = "last-week",
    tolerate: Tolerate = "5%",
    max_wait: MaxWait = "30m",
    refresh: Refresh = False,
    urgent: Urgent = False,
    database: Database = None,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Fetch download statistics for a catalogue of packages and publish stats.json.

    Every package is asked for once a day; what could not be fetched is published with its
    last good value and named in stats.report.json. The same command goes on where an
    interrupted one stopped.

    Example: ventil stats catalog.json -o stats.json --period last-week --tolerate 5%
    """
    from ventil.wiring import stats as job

    workshop, asked, records = _read(
        catalogue, output, period, tolerate, max_wait, refresh, database, config, quiet
    )
    asked = replace(asked, urgent=urgent)
    reporter = reporter_for(quiet=quiet)
    return finish(
        lambda: job.run(workshop, asked, records, reporter), workshop, reporter, as_json=json
    )


def plan(
    catalogue: CatalogueFile,
    *,
    output: Output = Path("stats.json"),
    period: Period = "last-week",
    tolerate: Annotated[str, Parameter(help="As for stats.")] = "5%",
    max_wait: MaxWait = "30m",
    refresh: Refresh = False,
    database: Database = None,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Say what `ventil stats` would ask and how long it would take. Sends nothing.

    Example: ventil plan catalog.json
    """
    from ventil.wiring import stats as stats_job

    workshop, asked, records = _read(
        catalogue, output, period, tolerate, max_wait, refresh, database, config, quiet
    )
    job = stats_job.job_of(workshop, asked, records)
    made, took, held = stats_job.plan(workshop, job, asked.provider)
    settings = workshop.settings.provider(asked.provider)
    if json:
        print_json(
            {
                "provider": job.provider_key,
                "period": {
                    "name": job.period.name,
                    "start": str(job.period.interval.start),
                    "end": str(job.period.interval.end),
                },
                "records": made.records + made.settled,
                "settled": made.settled,
                "to_ask": made.records,
                "requests": made.requests,
                "chunks": len(made.chunks),
                "chunk_size": made.chunk_size,
                "seconds": round(took.seconds, 1),
                "limited_by": took.limited_by,
                "held_by": held,
                "duplicates": records.duplicates,
                "problems": [
                    {"place": p.place, "value": p.value, "reason": p.reason}
                    for p in records.problems
                ],
            }
        )
        return 0
    quotas = ", ".join(str(quota) for quota in settings.quotas) or "none"
    singles = sum(len(b.keys) == 1 for c in made.chunks for b in c.batches)
    put(f"records     {number(made.records + made.settled)}")
    put(f"settled     {number(made.settled)} (answered already this UTC day, not asked again)")
    put(
        f"requests    {number(made.requests)} "
        f"({number(made.requests - singles)} of several names, {number(singles)} of one)"
    )
    put(f"chunks      {number(len(made.chunks))} of up to {number(made.chunk_size)} records")
    put(f"provider    {job.provider_key}, quotas {quotas}, "
          f"{settings.max_in_flight} in flight")  # fmt: skip
    put(f"takes       {about(took.seconds)} at the least")
    put(f"limited by  {took.limited_by}")
    if held:
        put(f"held by     {held}")
    if took.seconds > 86_400:
        say("note: that is longer than the day which settles a record; a longer period, fewer "
            "records or the provider's permission would help")  # fmt: skip
    return 0


def _read(
    catalogue: str,
    output: Path,
    period: str,
    tolerate: str,
    max_wait: str,
    refresh: bool,
    database: str | None,
    config: Path | None,
    quiet: bool,
) -> tuple[Workshop, Asked, Catalogue]:
    from ventil.wiring import Asked, Workshop
    from ventil.wiring import stats as job

    workshop = Workshop.load({"database_url": database}, config_file=config)
    name, data = bytes_of(catalogue)
    asked = Asked(
        catalogue=name,
        data=data,
        output=output,
        period=period,
        tolerate=share(tolerate),
        max_wait_s=duration("--max-wait", max_wait),
        refresh=refresh,
    )
    records = job.read(asked)
    if not quiet:
        tell_problems(records)
    return workshop, asked, records


def bytes_of(catalogue: str) -> tuple[str, bytes]:
    """A catalogue's name for messages, and what is in it. Raises SourceError."""
    if catalogue in ("-", STDIN):
        if sys.stdin is None:
            raise SourceError("standard input is closed", hint="name a file, or pipe one in")
        return "standard input", sys.stdin.buffer.read()
    path = Path(catalogue)
    try:
        return catalogue, path.read_bytes()
    except FileNotFoundError:
        raise SourceError(
            f"{catalogue}: no such file", hint="give the path of a catalogue, or - for stdin"
        ) from None
    except IsADirectoryError:
        raise SourceError(
            f"{catalogue} is a directory",
            hint=f"name the file in it, such as {path / 'catalog.json'}",
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        words = getattr(error, "strerror", None) or error
        raise SourceError(f"{catalogue}: cannot be read: {words}") from error


def tell_problems(records: Catalogue) -> None:
    """Name the first entries that were left out."""
    for problem in records.problems[:MOST_PROBLEMS_SHOWN]:
        say(f"note: left out {problem}")
    more = records.problem_count - MOST_PROBLEMS_SHOWN
    if more > 0:
        say(f"note: and {number(more)} more were left out; all: ventil plan --json")


def share(text: str) -> float:
    """5% or 0.05 as a share of 1. Raises SettingError."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise SettingError(
            f"--tolerate {text!r} is no share of the records",
            hint="write it like 5% (or 0.05); 0% tolerates none",
        )
    return value


def duration(flag: str, text: str) -> float:
    """The seconds of a duration flag. Raises SettingError naming it."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise SettingError(f"{flag} {text!r} {error}") from error


def finish(
    work: Callable[[], Awaitable[Result]],
    workshop: Workshop,
    reporter: Display,
    *,
    as_json: bool,
) -> int:
    """Run a job to its end with signals caught; print what came of it; the exit code."""
    from ventil.wiring.loop import run

    try:
        result = run(_with_signals(work, workshop))
    finally:
        reporter.close()  # whatever happens, the terminal is given back as it was
    reporter.ended(summary(result))
    ending = ending_of(result)
    if ending is not None:
        for text in ending:
            say(text)
    if as_json:
        print_json(as_data(result))
    return result.exit_code


async def _with_signals(work: Callable[[], Awaitable[Result]], workshop: Workshop) -> Result:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    received = signal.SIGINT

    def interrupt(number: signal.Signals) -> None:
        nonlocal received
        received = number
        if workshop.stop is None:
            task.cancel()
            return
        workshop.stop(
            Interrupted(
                f"interrupted by {number.name}; all answers so far are kept",
                signal=number,
                hint="the same command goes on from here",
            )
        )

    for caught in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(caught, interrupt, caught)
    try:
        return await task
    except asyncio.CancelledError:
        raise Interrupted(
            f"interrupted by {received.name} before the run began", signal=received
        ) from None


def summary(result: Result) -> str:
    """The last lines of a run, for a person."""
    run, counts = result.run, result.counts
    lines = []
    if counts is not None:
        parts = [f"{number(counts.ok)} ok"]
        for name in ("unknown", "carried", "suspect", "failed"):
            value = getattr(counts, name)
            if value:
                parts.append(f"{number(value)} {name}")
        lines.append(f"{counted(counts.records, 'record')}: {', '.join(parts)}")
        waits = run.tallies.get("waits_s", {})
        longest = sorted(waits.items(), key=lambda item: -item[1])[:3]
        waited = ", ".join(f"{reason} {about(s)}" for reason, s in longest if s >= 0.5)
        requests = run.tallies.get("requests", {})
        if requests.get("sent"):
            sent = counted(requests["sent"], "request")
            if requests["throttled"]:
                sent += f", {number(requests['throttled'])} throttled"
            if requests["failed"]:
                sent += f", {number(requests['failed'])} failed"
            lines.append(f"{sent}{'; waited for: ' + waited if waited else ''}")
        if counts.missed:
            lines.append(f"what failed and why: ventil failures list {run.id}")
        if result.kept:
            lines.append(f"kept {run.output} as it was: there is no number to publish")
        else:
            lines.append(f"published {run.output}")
    return "\n".join(lines)


def ending_of(result: Result) -> tuple[str, ...] | None:
    """Why a run did not end well, and what to do next; None when it did. Never silenced."""
    run, error = result.run, result.error
    if error is not None:
        state = run.state.value
        said = error.message.removeprefix(f"{state}: ")
        lead = "" if said.startswith(state) else f"{state}: "
        hint = (f"hint: {error.hint}",) if error.hint else ()
        return (lead + said, *hint)
    if result.exit_code == 3:
        return (
            f"more records without an answer than tolerated ({100 * run.tolerate:.3g}%): "
            f"{result.counts.missed if result.counts else 0:,} of {run.records:,}",
            f"hint: ask again for them: ventil failures replay {run.id}",
        )
    return None


def as_data(result: Result) -> dict[str, Any]:
    """The same as data."""
    from dataclasses import asdict

    run = result.run
    return {
        "run": run.id,
        "state": run.state.value,
        "output": run.output,
        "counts": None if result.counts is None else asdict(result.counts),
        "requests": run.tallies.get("requests", {}),
        "waits_s": run.tallies.get("waits_s", {}),
        "message": None if result.error is None else result.error.message,
        "exit_code": result.exit_code,
    }
