"""The command of a job of the user's own; see `ventil.own`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ventil.cli.main import app
from ventil.cli.main import main as ventil
from ventil.cli.progress import reporter_for
from ventil.cli.runs import open_workshop
from ventil.cli.stats import (
    Config,
    Database,
    Json,
    MaxWait,
    Period,
    Quiet,
    Refresh,
    Tolerate,
    bytes_of,
    duration,
    finish,
    share,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ventil.wiring.own import OwnJob

Records = Annotated[str, Parameter(help="A file with the records, one a line; - for stdin.")]
Output = Annotated[
    Path | None,
    Parameter(name=["--output", "-o"], help="Where the answers go. Default: NAME.jsonl."),
]


def main(*jobs: OwnJob, arguments: Sequence[str] | None = None) -> None:
    """Run a command of `ventil`, which knows *jobs* too, and exit as the contract says.

    Raises ValueError when the name of a job is taken.
    """
    for job in jobs:
        job.register()
        if job.name in app:
            raise ValueError(f"ventil has a command {job.name!r} already")
        app.command(_command(job), name=job.name, help=f"{job.profile.title}: run the job.")
    ventil(arguments)


def _command(job: OwnJob) -> Callable[..., int]:
    def run(
        records: Records,
        *,
        output: Output = None,
        period: Period = "last-week",
        tolerate: Tolerate = "5%",
        max_wait: MaxWait = "30m",
        refresh: Refresh = False,
        database: Database = None,
        config: Config = None,
        json: Json = False,
        quiet: Quiet = False,
    ) -> int:
        from ventil.wiring import Asked

        workshop = open_workshop(database, config)
        name, data = bytes_of(records)
        asked = Asked(
            catalogue=name,
            data=data,
            output=output or Path(f"{job.name}.jsonl"),
            period=period,
            tolerate=share(tolerate),
            max_wait_s=duration("--max-wait", max_wait),
            refresh=refresh,
            provider=job.name,
        )
        reporter = reporter_for(quiet=quiet)
        return finish(
            lambda: job.run(workshop, asked, reporter), workshop, reporter, as_json=json
        )

    return run
