"""The download-statistics job: from what was asked to a run, and from a run to stats.json."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ventil import providers
from ventil.adapters.sql import SqlStore
from ventil.adapters.sqlite import sqlite_path
from ventil.core.fold import Counts
from ventil.core.period import Period
from ventil.core.plan import Estimate, Plan, estimate
from ventil.engine.prepare import Job, plan_job
from ventil.errors import OutputError, SettingError, SourceError
from ventil.ports import Reporter, Run, Workbench
from ventil.providers.profile import Provider
from ventil.publish.stats import Heading, check_output, has_nothing, publish_stats, report_path
from ventil.sources.catalogue import Catalogue, read_catalogue
from ventil.wiring.asked import Asked, Result
from ventil.wiring.execution import run_job
from ventil.wiring.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Stats:
    """The kind of job: one number a record from one provider, published as stats.json."""

    provider: Provider
    defers = False

    @property
    def providers(self) -> tuple[str, ...]:
        """The one that is asked."""
        return (self.provider.name,)

    def recipe(self, workshop: Workshop) -> Provider:
        """The provider's own."""
        return self.provider

    def side_by_side(self, workshop: Workshop) -> int:
        """As many as may be in flight."""
        return workshop.settings.provider(self.provider.name).max_in_flight

    def workbench(self) -> AbstractAsyncContextManager[None]:
        """None: numbers are read here."""
        return nullcontext()

    def key(self, workshop: Workshop) -> str:
        """The provider's key."""
        return workshop.provider_key(self.provider.name)

    def check_output(self, output: Path) -> None:
        """Raise OutputError when the artefact could not be written there."""
        check_output(output)

    async def publish(
        self,
        workshop: Workshop,
        run: Run,
        store: SqlStore,
        tallies: Mapping[str, Any],
        workbench: Workbench | None,
        *,
        suspended: str | None,
    ) -> tuple[Counts, bool]:
        """Write both artefacts; the counts, and whether the former artefact was kept."""
        return self._publish(workshop, run, store, tallies, suspended)

    def _publish(
        self,
        workshop: Workshop,
        run: Run,
        store: SqlStore,
        tallies: Mapping[str, Any],
        suspended: str | None,
    ) -> tuple[Counts, bool]:
        heading = Heading(
            run=run.id,
            job=run.job,
            provider=self.provider.name,
            ecosystem=self.provider.ecosystem,
            period=run.period,
            interval=run.interval,
            started_s=run.created_s,
            finished_s=workshop.clock.now_s(),
            settled_before=run.settled_before,
            requests=tallies["requests"],
            waits_s=tallies["waits_s"],
            suspended=suspended,
        )

        records = store.published(run.series, run.day, store.run_keys(run.id))
        output = Path(run.output)
        stood = output.exists()
        counts = publish_stats(output, heading, records)
        return counts, stood and has_nothing(counts)


def read(asked: Asked) -> Catalogue:
    """The catalogue's records and problems. Raises SourceError."""
    provider = providers.get(asked.provider)
    catalogue = read_catalogue(
        asked.data,
        name=asked.catalogue,
        name_fault=provider.name_fault,
        ecosystem=provider.ecosystem,
    )
    if not catalogue.records:
        first = f"; the first problem: {catalogue.problems[0]}" if catalogue.problems else ""
        raise SourceError(f"{asked.catalogue} holds no usable name{first}")
    return catalogue


def job_of(workshop: Workshop, asked: Asked, catalogue: Catalogue) -> Job:
    """The job that was asked for. Raises SettingError for a bad period."""
    provider = providers.get(asked.provider)
    today = dt.datetime.fromtimestamp(workshop.clock.now_s(), dt.UTC).date()
    period = Period.parse(asked.period, today=today)
    fault = provider.period_fault(period)
    if fault:
        raise SettingError(f"period {asked.period!r}: {fault}")
    key = workshop.provider_key(asked.provider)
    output = str(asked.output.absolute())
    return Job(
        name=f"stats {asked.provider}/{period.name} -> {output}",
        provider_key=key,
        series=f"{key}/{period.name}",
        keys=catalogue.records,
        period=period,
        output=output,
        refresh=asked.refresh,
        tolerate=asked.tolerate,
        chunk_size=workshop.settings.run.chunk_size,
        urgent=asked.urgent,
    )


def plan(workshop: Workshop, job: Job, provider_name: str) -> tuple[Plan, Estimate, str | None]:
    """What a run would ask, how long it takes at the least, and what stands in its way."""
    provider = providers.get(provider_name)
    settings = workshop.settings.provider(provider_name)
    store = workshop.store() if workshop.has_store else None
    try:
        made = plan_job(job, store, provider)
        governor, _ = workshop.governor(provider_name, store)
        paused = store.provider(job.provider_key).paused if store else None
    finally:
        if store is not None:
            store.close()
    took = estimate(
        made.requests,
        settings.quotas,
        settings.max_in_flight,
        provider.profile.latency_s,
    )
    now_s = workshop.clock.now_s()
    calendar = governor.policy.calendar
    ends_s = calendar.ends(now_s, took.seconds)
    if ends_s - now_s > took.seconds + 1.0:  # some of the time it is closed
        hours = ", ".join(h.text for h in (*calendar.access, *calendar.maintenance))
        took = Estimate(ends_s - now_s, f"{took.limited_by}, and the hours: {hours}")
    condition = governor.condition(now_s)
    held = None
    if paused is not None:
        held = f"paused: {paused}"
    elif (
        condition.gate_until_s is not None
        or condition.breaker != "closed"
        or calendar.opens(now_s)[0] > now_s
    ):
        held = condition.words
    return made, took, held


async def run(
    workshop: Workshop, asked: Asked, catalogue: Catalogue, reporter: Reporter
) -> Result:
    """Run the job: resume or plan, fetch, publish. Raises VentilError before the run."""
    _check_places(workshop, asked)
    job = job_of(workshop, asked, catalogue)
    kind = Stats(providers.get(asked.provider))
    return await run_job(workshop, kind, job, reporter, max_wait_s=asked.max_wait_s)


def _check_places(workshop: Workshop, asked: Asked) -> None:
    """Raise OutputError when the artefact cannot go, or must not go, where it is to."""
    check_output(asked.output)
    taken = {Path(asked.catalogue): "the catalogue itself"}
    if not workshop.shared:
        database = sqlite_path(workshop.settings.database_url)
        queue = database.with_name(f"{database.stem}.queue{database.suffix}")
        taken[database] = "the state database"
        taken[queue] = "the durable queue"
        taken[workshop.settings.state_dir / "lock"] = "the lock of the state folder"
    for place in (asked.output, report_path(asked.output)):
        for other, words in taken.items():
            if _same_file(place, other):
                raise OutputError(
                    f"{place} is {words}, and would be replaced by the artefact",
                    hint="choose another place with -o",
                )


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False
