"""A job of the user's own: declared in a Python program, run and looked after as any other.

The program names a provider, how its replies are judged, and a recipe for one record; see
`ventil.own`. What came of the records is published as JSON lines.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ventil import providers
from ventil.adapters.sql import SqlStore
from ventil.core.exchange import Outcome, Reply, Request, Steps
from ventil.core.fold import Counts, publish
from ventil.core.masks import without_addresses
from ventil.core.model import Good
from ventil.core.moment import clock_words
from ventil.core.outcome import judge_http
from ventil.core.period import Period
from ventil.engine.prepare import Job
from ventil.errors import SourceError
from ventil.ports import Reporter, Run, Workbench
from ventil.providers.profile import Api, Profile
from ventil.publish.answers import Answer, publish_answers
from ventil.publish.stats import Heading, check_output, has_nothing
from ventil.wiring import kinds
from ventil.wiring.asked import Asked, Result
from ventil.wiring.execution import run_job
from ventil.wiring.workshop import Workshop

Fetch = Callable[[str, Period, Good | None], Steps]
"""(record, period, its last good value) -> the recipe, which ends with samples of it."""


def judge_as_http_says(request: Request, reply: Reply, now_s: float) -> Outcome:
    """What a reply means to the governor, for an API that keeps to HTTP's own words."""
    return judge_http(reply, now_s)


@dataclass(frozen=True, slots=True)
class OwnJob:
    """One provider, one record a request, whatever the recipe makes of it.

    `profile` names the job too. `fetch(record, period, good)`, *good* being the record's last
    good value or None, is a generator and pure: it yields steps, is sent what came of each,
    and returns samples. To be taken up after a kill it must take the same steps whenever it
    is sent the same answers. `judge(request, reply, now_s)` says what a reply means to the
    governor. `defers`: the recipe awaits answers that come hours later.
    """

    profile: Profile
    fetch: Fetch
    judge: Callable[[Request, Reply, float], Outcome] = judge_as_http_says
    defers: bool = True

    @property
    def name(self) -> str:
        """The provider's."""
        return self.profile.name

    def register(self) -> None:
        """Make the job known to this process. Raises ValueError for a name that is taken."""
        providers.add(Api(self.profile, self._judged))
        kinds.add(self.name, self)

    def _judged(self, request: Request, reply: Reply, now_s: float) -> Outcome:
        """As `judge` says, in words that hold no address for callbacks."""
        outcome = self.judge(request, reply, now_s)
        detail = without_addresses(outcome.detail)
        return outcome if detail == outcome.detail else replace(outcome, detail=detail)

    # -- a kind of job ---------------------------------------------------------------

    @property
    def providers(self) -> tuple[str, ...]:
        """The one that is asked."""
        return (self.name,)

    def recipe(self, workshop: Workshop) -> _OneByOne:
        """One record at a time."""
        return _OneByOne(self.fetch)

    def key(self, workshop: Workshop) -> str:
        """The provider's key."""
        return workshop.provider_key(self.name)

    def side_by_side(self, workshop: Workshop) -> int:
        """As many as may be in flight."""
        return workshop.settings.provider(self.name).max_in_flight

    def workbench(self) -> AbstractAsyncContextManager[None]:
        """None."""
        return nullcontext()

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
        """Write the answers and their report."""
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
            provider=run.provider,
            ecosystem=self.name,
            period=run.period,
            interval=run.interval,
            started_s=run.created_s,
            finished_s=workshop.clock.now_s(),
            settled_before=run.settled_before,
            requests=tallies.get("requests", {}),
            waits_s=tallies.get("waits_s", {}),
            suspended=suspended,
        )

        waits = {wait.key: wait.until_s for wait in store.waits(run.id)}

        def answers() -> Iterator[Answer]:
            for key, entry, good in store.entries(run.series, run.day, store.run_keys(run.id)):
                record = publish(key, entry.sample if entry else None, good)
                if key in waits:
                    until = clock_words(waits[key], heading.finished_s)
                    record = replace(record, detail=f"waits for a later answer, until {until}")
                kept = store.kept(run.series, key)
                yield Answer(record, None if kept is None else kept.body)

        output = Path(run.output)
        stood = output.exists()
        counts = publish_answers(output, heading, answers())
        return counts, stood and has_nothing(counts)

    # -- from what was asked to a run ------------------------------------------------

    async def run(self, workshop: Workshop, asked: Asked, reporter: Reporter) -> Result:
        """Run the job: resume or plan, fetch, publish. Raises VentilError before the run."""
        check_output(asked.output)
        today = dt.datetime.fromtimestamp(workshop.clock.now_s(), dt.UTC).date()
        period = Period.parse(asked.period, today=today)
        key = self.key(workshop)
        output = str(asked.output.absolute())
        job = Job(
            name=f"{self.name} {period.name} -> {output}",
            provider_key=key,
            series=f"{key}/{period.name}",
            keys=records_in(asked.catalogue, asked.data),
            period=period,
            output=output,
            refresh=asked.refresh,
            tolerate=asked.tolerate,
            chunk_size=workshop.settings.run.chunk_size,
        )
        return await run_job(workshop, self, job, reporter, max_wait_s=asked.max_wait_s)


def records_in(name: str, data: bytes) -> list[str]:
    """Records, one a line, without doubles; empty lines and those with a # are left out."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{name} is not UTF-8 ({error.reason} at byte {error.start})"
        ) from None
    lines = (line.strip() for line in text.splitlines())
    found = list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not found:
        raise SourceError(f"{name} holds no record", hint="one a line")
    for line in found:
        if not line.isprintable():
            raise SourceError(f"{name}: the record {line!r} holds a control character")
    return found


@dataclass(frozen=True, slots=True)
class _OneByOne:
    """The `Recipe` port."""

    one: Fetch

    def batches(self, keys: Iterable[str], /) -> Iterator[tuple[str, ...]]:
        """Each record alone."""
        return ((key,) for key in keys)

    def fetch(self, keys: Sequence[str], period: Period, good: Mapping[str, Good], /) -> Steps:
        """The recipe of the one record."""
        (key,) = keys
        return self.one(key, period, good.get(key))
