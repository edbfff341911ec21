"""One job of many providers between fakes, started again and again."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine_bench import policy_of

from ventil.core.exchange import (
    Done,
    Outcome,
    Recall,
    Reply,
    Request,
    Response,
    Steps,
    Work,
    WorkFailed,
)
from ventil.core.governor import Governor, GovernorState, Policy
from ventil.core.model import Good, Kept, Sample, Status
from ventil.core.outcome import judge_http
from ventil.core.period import Period
from ventil.engine.gate import LEASE_S, Patience
from ventil.engine.prepare import Job, prepare
from ventil.engine.run import Limits, Outside, Party, Runner
from ventil.errors import WorkbenchError
from ventil.ports import Run
from ventil.testing import (
    FakeClock,
    InlineQueue,
    MemoryStore,
    RecordingReporter,
    ScriptedTransport,
    answer,
)


@dataclass(frozen=True, slots=True)
class Host:
    """An API by its name."""

    name: str

    def judge(self, request: Request, reply: Reply, now_s: float, /) -> Outcome:
        """By status and header fields."""
        return judge_http(reply, now_s)


class Roundabout:
    """The recipe of a record named `a-b`: ask provider a, then b, and work on what b said.

    What it made the last time is remembered, and then only a is asked.
    """

    def batches(self, keys: Iterable[str], /) -> Iterator[tuple[str, ...]]:
        """Each by itself."""
        return ((key,) for key in keys)

    def fetch(self, keys: Sequence[str], period: Period, good: Mapping[str, Good], /) -> Steps:
        """As the class says."""
        [key] = keys
        first, _, rest = key.partition("-")
        second = rest.partition("-")[0]
        kept = yield Recall(key)
        reply = yield Request(f"/{key}", provider=first)
        if not isinstance(reply, Response) or reply.status != 200:
            return [Sample(key, Status.FAILED, detail="first")]
        if isinstance(kept, Kept):
            return [Sample(key, Status.OK, 2, kept=Kept(key, memory=b"again"))]
        if second:
            reply = yield Request(f"/{key}", provider=second)
            if not isinstance(reply, Response) or reply.status != 200:
                return [Sample(key, Status.FAILED, detail="second")]
        done = yield Work("shout", key.encode())
        if isinstance(done, WorkFailed):
            return [Sample(key, Status.FAILED, detail=done.detail)]
        assert isinstance(done, Done)
        return [Sample(key, Status.OK, 1, kept=Kept(key, done.result, b"once"))]


class Shouting:
    """The `Workbench` port: upper case; what is hostile breaks it."""

    def __init__(self) -> None:
        self.worked: list[bytes] = []

    async def run(self, task: str, payload: bytes, /) -> bytes:
        """Upper case, after a moment."""
        assert task == "shout"
        await asyncio.sleep(0.1)
        if b"hostile" in payload:
            raise WorkbenchError("took more than 5 s")
        self.worked.append(payload)
        return payload.upper()


@dataclass
class ManyBench:
    """One job of several providers that is started again and again."""

    keys: Sequence[str]
    transports: Mapping[str, ScriptedTransport]
    policies: Mapping[str, Policy] = field(default_factory=dict)
    max_wait_s: float = 600.0
    chunk_size: int = 10
    day: dt.date = dt.date(2025, 11, 17)
    store: MemoryStore = field(default_factory=MemoryStore)
    queue: InlineQueue = field(default_factory=InlineQueue)
    clock: FakeClock = field(default_factory=FakeClock)
    reporter: RecordingReporter = field(default_factory=RecordingReporter)
    workbench: Shouting = field(default_factory=Shouting)

    def prepare(self) -> tuple[Run, bool]:
        """Resume or plan."""
        job = Job(
            name="many",
            provider_key="many@here",
            series="many@here/week",
            keys=self.keys,
            period=Period.parse("last-week", today=self.day),
            output="site",
            refresh=False,
            tolerate=0.05,
            chunk_size=self.chunk_size,
        )
        return prepare(job, self.store, Roundabout(), self.clock.now_s())

    async def execute(self) -> Run:
        """Prepare and execute; the run as it is stored then."""
        run, _ = self.prepare()
        await Runner(
            run,
            Period(run.period, run.interval, dt.date.fromisoformat(run.day)),
            outside=Outside(self.store, self.queue, self.clock, self.reporter, self.workbench),
            recipe=Roundabout(),
            parties=[self._party(name) for name in self.transports],
            limits=Limits(
                chunks_at_once=10,
                retries=0,
                retry_delay_s=1.0,
                tries=2,
                side_by_side=100,
                patience=Patience(self.max_wait_s, 60.0),
                journaled=True,
            ),
        ).execute()
        found = self.store.run(run.id)
        assert found is not None
        return found

    def _party(self, name: str) -> Party:
        key = f"{name}@here"
        stored = self.store.provider(key).state
        governor = Governor(
            self.policies.get(name, policy_of()),
            self.clock.now_s(),
            state=None if stored is None else GovernorState.from_json(stored),
            lost_s=LEASE_S,
        )
        return Party(Host(name), key, governor, self.transports[name])

    def statuses(self, run: Run) -> dict[str, str | None]:
        """What the ledger holds of the run's records."""
        entries = self.store.entries(run.series, run.day, self.keys)
        return {key: entry.sample.status.value if entry else None for key, entry, _ in entries}


def sent(bench: ManyBench) -> dict[str, int]:
    """How many requests each provider got."""
    return {name: len(transport.sent) for name, transport in bench.transports.items()}


def plain(*names: str, latency_s: float = 0.1) -> dict[str, ScriptedTransport]:
    """Providers that answer everything."""
    return {
        name: ScriptedTransport(lambda request: answer(), latency_s=latency_s) for name in names
    }
