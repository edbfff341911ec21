"""The one place that joins the parts: settings, store, queue, transport, provider, engine.

`Workshop` is what the command line (and later the web) works with. Heavy libraries are
imported where a command first needs them: `ventil --help` and `ventil plan` need neither
the HTTP client nor the durable queue.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ventil import __version__, providers
from ventil.adapters.clock import SteadyClock
from ventil.adapters.lock import StateLock
from ventil.adapters.sql import SqlStore, open_store
from ventil.adapters.sqlite import sqlite_path, stands
from ventil.config.load import ProviderSettings, Settings, Shipped, load_settings
from ventil.core.calendar import Calendar
from ventil.core.fold import Counts, Published, publish
from ventil.core.governor import BadGovernorState, Governor, GovernorState, Policy
from ventil.core.model import Status
from ventil.core.period import Period
from ventil.core.plan import Estimate, Plan, estimate
from ventil.crashpoint import crashpoint
from ventil.engine.gate import LEASE_S, Patience
from ventil.engine.prepare import Job, plan_job, prepare
from ventil.engine.run import Limits, Outside, Runner
from ventil.errors import (
    Busy,
    Cancelled,
    Interrupted,
    OutputError,
    SettingError,
    SourceError,
    Stopped,
    UserError,
    VentilError,
)
from ventil.ports import ChunkRow, Reporter, Run, RunState
from ventil.publish.stats import Heading, check_output, has_nothing, publish_stats, report_path
from ventil.sources.catalogue import Catalogue, read_catalogue

KEEP_RUNS = 50
"""Finished runs that are kept for `ventil runs`; their samples have their own age limit."""

_LATEST = 1000
"""Runs that are looked through for a later one of the same artefact."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for on the command line."""

    catalogue: str
    data: bytes
    output: Path
    period: str
    tolerate: float
    max_wait_s: float
    refresh: bool = False
    provider: str = "npm-downloads"


@dataclass(frozen=True, slots=True)
class Result:
    """How a command that runs a job ended. `exit_code` as in the contract.

    `counts` is None when nothing was published. `kept`: a former artefact was, because
    there was no number to put in its place.
    """

    run: Run
    counts: Counts | None
    exit_code: int
    error: VentilError | None = None
    kept: bool = False


class Workshop:
    """Everything a command needs, made from the settings and joined once."""

    def __init__(self, settings: Settings, *, ahead_s: float = 0.0) -> None:
        self.settings = settings
        self.clock = SteadyClock(ahead_s=ahead_s)

    @classmethod
    def load(
        cls,
        flags: Mapping[str, object],
        *,
        config_file: Path | None = None,
        ahead_s: float = 0.0,
    ) -> Workshop:
        """Read the settings. Raises SettingError.

        `ahead_s` puts the clock forward, to practise another day.
        """
        return cls(
            load_settings(
                flags=flags,
                environ=os.environ,
                cwd=Path.cwd(),
                config_file=config_file,
                profiles=_shipped(),
                ignored_variables=frozenset({"VENTIL_CRASH_AT"}),
            ),
            ahead_s=ahead_s,
        )

    # -- opening ---------------------------------------------------------------------

    def store(self, *, create: bool = True) -> SqlStore:
        """The state database. Raises StateError, SettingError."""
        return open_store(self.settings.database_url, create=create)

    @property
    def has_store(self) -> bool:
        """Whether a state database stands already."""
        return stands(sqlite_path(self.settings.database_url))

    def lock(self) -> StateLock:
        """The lock of the state folder: one runner at a time."""
        return StateLock(self.settings.state_dir)

    def etiquette(self, name: str) -> tuple[str, ...]:
        """What is known of a provider's rules, each with source and date."""
        return providers.get(name).profile.etiquette

    def provider_key(self, name: str) -> str:
        """The unit of politeness: the provider's name and the host it is asked at."""
        settings = self.settings.provider(name)
        return f"{name}@{urlsplit(settings.base_url).netloc}"

    def governor(self, name: str, store: SqlStore | None) -> tuple[Governor, str | None]:
        """A governor in its persisted state; the words say when that could not be read."""
        settings = self.settings.provider(name)
        now_s = self.clock.now_s()
        policy = policy_of(settings)
        row = None if store is None else store.provider(self.provider_key(name))
        if row is None or row.state is None:
            return Governor(policy, now_s), None
        try:
            state = GovernorState.from_json(row.state)
            return Governor(policy, now_s, state=state, lost_s=LEASE_S), None
        except BadGovernorState as error:
            return (
                Governor(policy, now_s),
                f"the stored state of {name} is not used: {error}",
            )

    # -- jobs ------------------------------------------------------------------------

    def read(self, asked: Asked) -> Catalogue:
        """The catalogue's records and problems. Raises SourceError."""
        provider = providers.get(asked.provider)
        catalogue = read_catalogue(
            asked.data,
            name=asked.catalogue,
            name_fault=provider.name_fault,
            ecosystem=provider.ecosystem,
        )
        if not catalogue.records:
            first = (
                f"; the first problem: {catalogue.problems[0]}" if catalogue.problems else ""
            )
            raise SourceError(f"{asked.catalogue} holds no usable name{first}")
        return catalogue

    def job(self, asked: Asked, catalogue: Catalogue) -> Job:
        """The job that was asked for. Raises SettingError for a bad period."""
        provider = providers.get(asked.provider)
        today = dt.datetime.fromtimestamp(self.clock.now_s(), dt.UTC).date()
        period = Period.parse(asked.period, today=today)
        fault = provider.period_fault(period)
        if fault:
            raise SettingError(f"period {asked.period!r}: {fault}")
        key = self.provider_key(asked.provider)
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
            chunk_size=self.settings.run.chunk_size,
        )

    def plan(self, job: Job, provider_name: str) -> tuple[Plan, Estimate, str | None]:
        """What a run would ask, how long it takes at the least, and what stands in its way."""
        provider = providers.get(provider_name)
        settings = self.settings.provider(provider_name)
        store = self.store() if self.has_store else None
        try:
            made = plan_job(job, store, provider)
            governor, _ = self.governor(provider_name, store)
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
        now_s = self.clock.now_s()
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

    async def stats(self, asked: Asked, catalogue: Catalogue, reporter: Reporter) -> Result:
        """Run the job: resume or plan, fetch, publish. Raises VentilError before the run."""
        self._check_places(asked)
        job = self.job(asked, catalogue)
        lock = await self._locked(job.name, asked.max_wait_s, reporter)
        try:
            store = self.store()
            try:
                provider = providers.get(asked.provider)
                run, resumed = prepare(job, store, provider, self.clock.now_s())
                if resumed:
                    self._ask_again(run, store)
                return await self._execute(
                    run, store, reporter, max_wait_s=asked.max_wait_s, resumed=resumed
                )
            finally:
                store.close()
        finally:
            lock.release()

    def _check_places(self, asked: Asked) -> None:
        """Raise OutputError when the artefact cannot go, or must not go, where it is to."""
        check_output(asked.output)
        database = sqlite_path(self.settings.database_url)
        taken = {
            Path(asked.catalogue): "the catalogue itself",
            database: "the state database",
            database.with_name(f"{database.stem}.queue{database.suffix}"): "the durable queue",
            self.settings.state_dir / "lock": "the lock of the state folder",
        }
        for place in (asked.output, report_path(asked.output)):
            for other, words in taken.items():
                if _same_file(place, other):
                    raise OutputError(
                        f"{place} is {words}, and would be replaced by the artefact",
                        hint="choose another place with -o",
                    )

    async def resume(self, run_id: str, reporter: Reporter, *, max_wait_s: float) -> Result:
        """Go on with a run that is not finished, or was cancelled."""
        return await self._reopen(run_id, reporter, max_wait_s, replay=None)

    async def replay(
        self, run_id: str, keys: list[str], reporter: Reporter, *, max_wait_s: float
    ) -> Result:
        """Ask again for records of a run's failure queue and patch the same artefact."""
        return await self._reopen(run_id, reporter, max_wait_s, replay=keys)

    async def _reopen(
        self, run_id: str, reporter: Reporter, max_wait_s: float, replay: list[str] | None
    ) -> Result:
        lock = await self._locked(f"run {run_id}", max_wait_s, reporter)
        try:
            store = self.store(create=False)
            try:
                run = find_run(store, run_id)
                if self.provider_key(provider_of(run)) != run.provider:
                    raise SettingError(
                        f"run {run.id} asked {run.provider}, but the settings now say "
                        f"{self.provider_key(provider_of(run))}",
                        hint="give it the same base_url as before",
                    )
                check_output(Path(run.output))
                _check_newest(store, run)
                if replay is not None:
                    self._reopen_for(replay, run, store)
                elif not (run.state.resumable or run.state is RunState.CANCELLED):
                    raise UserError(
                        f"run {run.id} is over ({run.state})",
                        hint=f"its failed records: ventil failures replay {run.id}",
                    )
                else:
                    self._ask_again(run, store)
                store.update_run(run.id, state=RunState.RUNNING, cancel=False, message="")
                return await self._execute(
                    run, store, reporter, max_wait_s=max_wait_s, resumed=True
                )
            finally:
                store.close()
        finally:
            lock.release()

    def _ask_again(self, run: Run, store: SqlStore) -> None:
        """A run that was suspended asks for its failed records too: the outage did it."""
        if run.state is RunState.SUSPENDED:
            failed = [f.key for f in store.failures(run_id=run.id) if f.status is Status.FAILED]
            self._reopen_for(failed, run, store)
            store.begin_chunks_anew(run.id, self.clock.now_s())

    def _reopen_for(self, keys: list[str], run: Run, store: SqlStore) -> None:
        """Add a chunk for *keys*, less what an unfinished one (a killed replay's) holds."""
        rows = store.chunk_progress(run.id)
        unfinished = [index for index, _, _, finished in rows if not finished]
        held = {
            key
            for index in unfinished
            for batch in store.chunk(run.id, index).batches
            for key in batch
        }
        due = [key for key in keys if key not in held]
        if due:
            batches = tuple(providers.get(provider_of(run)).batches(due))
            chunk = ChunkRow(len(rows), batches, 0, 0, False, self.clock.now_s())
            store.reopen_chunks(run.id, [chunk])

    async def _locked(self, words: str, max_wait_s: float, reporter: Reporter) -> StateLock:
        """The state folder's lock; waits for another process up to *max_wait_s*."""
        lock = self.lock()
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + max_wait_s
        told = False
        while not lock.acquire(words):
            holder = lock.holder() or "another process"
            if loop.time() >= deadline_s:
                raise Busy(
                    f"{self.settings.state_dir} is in use by {holder}",
                    hint="give the same command again when it is done, or use another folder "
                    "with --database",
                )
            if not told:
                reporter.note(f"waiting for {holder}, which uses {self.settings.state_dir}")
                told = True
            await asyncio.sleep(0.2)
        return lock

    async def _execute(
        self,
        run: Run,
        store: SqlStore,
        reporter: Reporter,
        *,
        max_wait_s: float,
        resumed: bool,
    ) -> Result:
        from ventil.adapters.durable import DbosQueue
        from ventil.adapters.http import HttpTransport

        # What the libraries made at import lives as long as the process: the collector
        # need not look at it again and again while requests come and go.
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        name = provider_of(run)
        provider = providers.get(name)
        settings = self.settings.provider(name)
        governor, trouble = self.governor(name, store)
        if trouble:
            reporter.note(trouble)
        if provider.profile.wants_contact and not (settings.contact or settings.loopback):
            reporter.note(
                f"no contact is set: {provider.profile.title} cannot reach you before it bans "
                f'you; write contact = "you@example.org" under [providers.{name}]'
            )
        transport = HttpTransport(
            settings.base_url,
            user_agent=user_agent(settings),
            timeout_s=settings.timeout_s,
            connections=settings.max_in_flight,
        )
        queue = DbosQueue(self.settings.database_url)
        runs = self.settings.run
        runner = Runner(
            run,
            Period(run.period, run.interval, dt.date.fromisoformat(run.day)),
            outside=Outside(store, queue, self.clock, transport, reporter),
            provider=provider,
            governor=governor,
            limits=Limits(
                chunks_at_once=runs.chunks_at_once,
                retries=runs.retries,
                retry_delay_s=runs.retry_delay_s,
                tries=runs.tries,
                max_in_flight=settings.max_in_flight,
                patience=Patience(max_wait_s, runs.reach_within_s),
            ),
        )
        reporter.started(run, resumed=resumed, chunks=store.chunk_count(run.id))
        self.stop: Callable[[Exception], None] = runner.stop
        try:
            await runner.execute()
        except (Stopped, VentilError) as error:
            return self._stopped(run, store, runner, error)
        return self._finished(run, store, runner)

    def _stopped(self, run: Run, store: SqlStore, runner: Runner, error: VentilError) -> Result:
        """Close a run that ended early; one that waits for its provider publishes too."""
        states = {Interrupted: RunState.INTERRUPTED, Cancelled: RunState.CANCELLED}
        state = states.get(type(error), RunState.SUSPENDED)
        counts, kept = None, False
        if not isinstance(error, Interrupted | Cancelled) and isinstance(error, Stopped):
            counts, kept = self._publish(run, store, runner, suspended=error.message)
        store.update_run(run.id, state=state, message=error.message)
        return Result(self._reread(store, run), counts, error.exit_code, error, kept)

    def _finished(self, run: Run, store: SqlStore, runner: Runner) -> Result:
        """Publish and close a run whose chunks are all finished."""
        counts, kept = self._publish(run, store, runner)
        late = counts.missed > run.tolerate * counts.records
        state = RunState.PARTIAL if late else RunState.DONE
        crashpoint("finish.before")
        store.update_run(run.id, state=state, finished_s=self.clock.now_s(), message="")
        # Only now: a killed replay must find its failures open when it is given again.
        keys = [failure.key for failure in store.failures(run_id=run.id)]
        settled = store.settled(run.series, run.day, keys)
        store.close_failures(run.id, sorted(settled), "replayed")
        store.supersede_failures(run)
        crashpoint("finish.after")
        oldest = dt.datetime.fromtimestamp(self.clock.now_s(), dt.UTC).date() - dt.timedelta(
            days=self.settings.run.ledger_days
        )
        store.prune(before_day=str(oldest), keep_runs=KEEP_RUNS)
        return Result(self._reread(store, run), counts, 3 if late else 0, kept=kept)

    def _publish(
        self, run: Run, store: SqlStore, runner: Runner, *, suspended: str | None = None
    ) -> tuple[Counts, bool]:
        """Write both artefacts; the counts, and whether the former artefact was kept."""
        tallies = runner.tallies()
        name = provider_of(run)
        heading = Heading(
            run=run.id,
            job=run.job,
            provider=name,
            ecosystem=providers.get(name).ecosystem,
            period=run.period,
            interval=run.interval,
            started_s=run.created_s,
            finished_s=self.clock.now_s(),
            settled_before=run.settled_before,
            requests=tallies["requests"],
            waits_s=tallies["waits_s"],
            suspended=suspended,
        )

        def records() -> Iterator[Published]:
            keys = store.run_keys(run.id)
            for key, entry, good in store.entries(run.series, run.day, keys):
                yield publish(key, entry.sample if entry else None, good)

        output = Path(run.output)
        stood = output.exists()
        counts = publish_stats(output, heading, records())
        return counts, stood and has_nothing(counts)

    def _reread(self, store: SqlStore, run: Run) -> Run:
        return store.run(run.id) or run


def policy_of(settings: ProviderSettings) -> Policy:
    """The governor's policy from a provider's settings."""
    return Policy(
        quotas=settings.quotas,
        max_in_flight=settings.max_in_flight,
        cooldown_s=settings.cooldown_s,
        timeout_s=settings.timeout_s,
        calendar=Calendar.parse(settings.access, settings.maintenance),
        latency_objective_s=settings.latency_objective_s,
        error_objective=settings.error_objective,
    )


def user_agent(settings: ProviderSettings) -> str:
    """Who we are, and whom to write to."""
    contact = f" (mailto:{settings.contact})" if settings.contact else ""
    return f"ventil/{__version__}{contact}"


def provider_of(run: Run) -> str:
    """The provider's name in a run's provider key."""
    return run.provider.partition("@")[0]


def find_run(store: SqlStore, run_id: str) -> Run:
    """A run by its id or the word `last`. Raises UserError naming the known ones."""
    runs = store.runs(limit=10)
    if run_id == "last" and runs:
        return runs[0]
    run = store.run(run_id)
    if run is None:
        known = ", ".join(r.id for r in runs[:3]) or "none yet"
        raise UserError(f"there is no run {run_id!r}", hint=f"the latest: {known}")
    return run


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False


def _check_newest(store: SqlStore, run: Run) -> None:
    """Raise UserError when a later run has published the same artefact.

    Going on with the older one would put its records and its day over the newer ones.
    """
    for other in store.runs(limit=_LATEST):
        if other.created_s <= run.created_s:
            return
        if other.output == run.output and other.finished_s is not None:
            raise UserError(
                f"run {run.id} is out of date: run {other.id} has published {run.output} since",
                hint=f"what that one could not get: ventil failures replay {other.id}",
            )


def _shipped() -> Mapping[str, Shipped]:
    return {name: providers.get(name).profile for name in providers.names()}


__all__ = ["Asked", "Result", "Workshop", "find_run", "provider_of"]
