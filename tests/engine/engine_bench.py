"""The engine between fakes: one job, one provider, virtual time."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ventil.core.exchange import Fetch, Known, Request, Response
from ventil.core.governor import Governor, GovernorState, Policy
from ventil.core.model import Good, Sample, Status
from ventil.core.period import Period
from ventil.core.quota import Quota
from ventil.engine.gate import LEASE_S, Gate, Patience
from ventil.engine.prepare import Job, prepare
from ventil.engine.run import Limits, Outside, Party, Runner
from ventil.ports import Run
from ventil.testing import (
    FakeClock,
    InlineQueue,
    MemoryStore,
    PlainProvider,
    RecordingReporter,
    ScriptedTransport,
)

KEY = "plain@localhost"
PATIENT = Patience(max_wait_s=36_000.0, reach_within_s=36_000.0)


def policy_of(*quotas: str, **options: object) -> Policy:
    """A policy that is not adaptive, so that what is allowed stands still."""
    given: dict[str, object] = {"max_in_flight": 4, "adaptive": False, "cooldown_s": 10.0}
    return Policy(quotas=tuple(map(Quota.parse, quotas)), **(given | options))  # type: ignore[arg-type]


@dataclass
class GateBench:
    """A gate on a store, and what it told to stop the run."""

    policy: Policy
    patience: Patience = PATIENT
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=FakeClock)
    stops: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.governor = Governor(self.policy, self.clock.now_s())
        self.gate = Gate(
            KEY,
            self.governor,
            self.clock,
            self.store,
            patience=self.patience,
            stop=self.stops.append,
        )

    async def watch(self) -> None:
        """Look at the clock twice a second, as a run does, until the gate gives up."""
        while not self.stops:
            await asyncio.sleep(0.5)
            self.gate.check()


@dataclass(frozen=True, slots=True)
class PeculiarProvider(PlainProvider):
    """Besides what is plain: 203 is doubtful, 299 is known at once and asked once more.

    The recipe for a batch with `breaks` in it raises.
    """

    breaks: str = ""

    def fetch(self, keys: Sequence[str], period: Period, good: Mapping[str, Good], /) -> Fetch:
        """Like the plain one, with its peculiarities."""
        if self.breaks and self.breaks in keys:
            raise ValueError("a bug in the recipe")
        reply = yield Request("/" + ",".join(keys))
        if isinstance(reply, Response) and reply.status == 203:
            return [Sample(key, Status.SUSPECT, 0, None, "zero") for key in keys]
        if isinstance(reply, Response) and reply.status == 299:
            yield Known([Sample(keys[0], Status.OK, 1, period.interval)])
            keys = keys[1:]
            reply = yield Request("/" + ",".join(keys))
        if isinstance(reply, Response) and reply.status == 200:
            value = int(reply.body)
            return [Sample(key, Status.OK, value, period.interval) for key in keys]
        detail = str(reply.status) if isinstance(reply, Response) else "fault"
        return [Sample(key, Status.FAILED, detail=detail) for key in keys]


@dataclass
class JobBench:
    """One job that is started again and again, like the same command given again."""

    transport: ScriptedTransport
    keys: Sequence[str]
    policy: Policy = field(default_factory=policy_of)
    provider: PlainProvider = field(default_factory=PlainProvider)
    patience: Patience = PATIENT
    chunk_size: int = 5
    retries: int = 1
    retry_delay_s: float = 300.0
    tries: int = 2
    refresh: bool = False
    store: MemoryStore = field(default_factory=MemoryStore)
    queue: InlineQueue = field(default_factory=InlineQueue)
    clock: FakeClock = field(default_factory=FakeClock)
    reporter: RecordingReporter = field(default_factory=RecordingReporter)

    def prepare(self) -> tuple[Run, bool]:
        """Resume or plan, as of the clock's day."""
        today = dt.datetime.fromtimestamp(self.clock.now_s(), dt.UTC).date()
        job = Job(
            name="the job",
            provider_key=KEY,
            series=f"{KEY}/last-week",
            keys=self.keys,
            period=Period.parse("last-week", today=today),
            output="stats.json",
            refresh=self.refresh,
            tolerate=0.05,
            chunk_size=self.chunk_size,
        )
        return prepare(job, self.store, self.provider, self.clock.now_s())

    def runner(self, run: Run) -> Runner:
        """A runner in this loop, with the governor as it was stored."""
        now_s = self.clock.now_s()
        stored = self.store.provider(run.provider).state
        state = None if stored is None else GovernorState.from_json(stored)
        return Runner(
            run,
            Period(run.period, run.interval, dt.date.fromisoformat(run.day)),
            outside=Outside(self.store, self.queue, self.clock, self.reporter),
            recipe=self.provider,
            parties=[
                Party(
                    self.provider,
                    run.provider,
                    Governor(self.policy, now_s, state=state, lost_s=LEASE_S),
                    self.transport,
                )
            ],
            limits=Limits(
                chunks_at_once=10,
                retries=self.retries,
                retry_delay_s=self.retry_delay_s,
                tries=self.tries,
                side_by_side=self.policy.max_in_flight,
                patience=self.patience,
            ),
        )

    async def execute(self) -> Run:
        """Prepare and execute; the run as it is stored then."""
        run, _ = self.prepare()
        await self.runner(run).execute()
        return self.stored(run)

    def stored(self, run: Run) -> Run:
        """The run as it is stored now."""
        found = self.store.run(run.id)
        assert found is not None
        return found

    def statuses(self, run: Run) -> dict[str, str | None]:
        """What the ledger holds of the run's records."""
        entries = self.store.entries(run.series, run.day, self.keys)
        return {key: entry.sample.status.value if entry else None for key, entry, _ in entries}
