"""A kill at every passage of every named point of the engine, and at any moment.

What a kill leaves is a copy of the store and the queue as they are then; the process's own
clean-up has no part in it. The same job is started again on the copies, until it ends.
Real processes, files and signals: see tests/crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from engine_bench import JobBench, PeculiarProvider, policy_of

from ventil import crashpoint
from ventil.core.exchange import Reply, Request
from ventil.testing import (
    EPOCH_S,
    FakeClock,
    InlineQueue,
    MemoryStore,
    ScriptedTransport,
    VirtualLoop,
    answer,
)

KEYS = [f"k{number}" for number in range(24)]
FAILING = ("k3", "k4", "k11")
DOUBTFUL = ("k6",)
QUOTA = 10
MAX_IN_FLIGHT = 3
UNDISTURBED = 24 + 3 * len(FAILING)
"""Each once; what fails twice at once (two tries) and twice more in the chunk's retry."""

ENGINE_POINTS = [
    name
    for name in crashpoint.POINTS
    if name.partition(".")[0] not in ("steps", "artefact", "finish")
]
"""Steps are noted of recipes of many providers alone: see `test_many_kills`."""


class Killed(SystemExit):
    """Leaves the loop at once, whatever runs."""


def reply_to(request: Request) -> Reply:
    """Some fail, one is doubtful, all others are well."""
    key = request.target.strip("/")
    if key in DOUBTFUL:
        return answer(203)
    return answer(500) if key in FAILING else answer(body=7)


def bury(loop: asyncio.AbstractEventLoop) -> None:
    """Drop a loop with its tasks; what they do in dying touches no copy."""
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        with contextlib.suppress(BaseException):
            task.get_coro().close()  # type: ignore[union-attr]
    loop.close()


@dataclass
class Story:
    """One job over several lives. Times are seconds since the epoch."""

    start_s: float = EPOCH_S
    kills: int = 0
    sent: list[tuple[float, str]] = field(default_factory=list)
    settled: list[tuple[int, set[str]]] = field(default_factory=list)
    left: tuple[MemoryStore, InlineQueue] | None = None
    at: FakeClock = field(default_factory=FakeClock)

    def live(
        self, monkeypatch: pytest.MonkeyPatch, *, at: str = "", after_s: float = 0
    ) -> bool:
        """One life of the process, killed at a point or a moment; whether it ended well."""
        self.at = FakeClock(self.start_s)
        transport = ScriptedTransport(reply_to, latency_s=0.07)
        store, queue = self.left or (MemoryStore(), InlineQueue())
        bench = JobBench(
            transport,
            KEYS,
            policy=policy_of(f"{QUOTA}/s", max_in_flight=MAX_IN_FLIGHT),
            provider=PeculiarProvider(),
            chunk_size=6,
            retry_delay_s=2.0,
            store=store,
            queue=queue.copy(self.at.now_s),
            clock=self.at,
        )
        died_s: list[float] = []

        def die(*_: object) -> None:
            if not died_s:
                died_s.append(bench.clock.now_s())
                self.left = (bench.store.copy(), bench.queue.copy())
                self.settled.append(
                    (len(self.sent) + len(transport.sent), self.answered(bench.store))
                )
            raise Killed

        async def told() -> None:
            if after_s:
                asyncio.get_running_loop().call_later(after_s, die)
            await bench.execute()

        name, _, number = at.partition(":")
        monkeypatch.setattr(crashpoint, "_left", {name: int(number)} if at else {})
        monkeypatch.setattr(crashpoint.os, "kill", die)
        loop = VirtualLoop(most_s=600.0)
        loop.set_exception_handler(lambda *_: None)  # nobody is left to look at a kill
        try:
            loop.run_until_complete(told())
            well = True
        except Killed:
            well = False
        monkeypatch.undo()
        bury(loop)
        self.sent += [
            (self.start_s + at_s, request.target.strip("/")) for at_s, request in transport.sent
        ]
        if died_s:
            self.kills += 1
            self.start_s = died_s[0] + 0.3
        else:
            self.left = (bench.store, bench.queue)
        return well

    def answered(self, store: MemoryStore) -> set[str]:
        """What the ledger has settled."""
        return set().union(*(store.settled(run.series, run.day, KEYS) for run in store.runs()))

    def check(self) -> None:
        """The end is that of an undisturbed run, and nothing was asked for in vain."""
        assert self.left is not None
        store, queue = self.left
        [run] = store.runs()
        assert self.answered(store) == set(KEYS) - set(FAILING) - set(DOUBTFUL)
        assert {f.key for f in store.failures()} == {*FAILING, *DOUBTFUL}
        assert all(f.request == f"GET /{f.key}" for f in store.failures())
        assert all(finished for *_, finished in store.chunk_progress(run.id))
        # A kill after the last attempt's end leaves it queued; it is answered from its row.
        rows = {index: attempts for index, attempts, *_ in store.chunk_progress(run.id)}
        assert all(rows[index] >= attempt for index, attempt in queue.waiting)
        for mark, settled in self.settled:
            again = settled & {key for _, key in self.sent[mark:]}
            assert not again, again
        asked = Counter(key for _, key in self.sent)
        assert set(asked) == set(KEYS)
        # What was in flight is asked for once more. A record that waited for its second try
        # begins its tries anew: a first try that failed is not in the ledger.
        answerable = [n for key, n in asked.items() if key not in FAILING]
        assert sum(answerable) - len(answerable) <= MAX_IN_FLIGHT * self.kills, asked
        assert all(asked[key] <= 4 + 2 * self.kills for key in FAILING), asked
        times = [at_s for at_s, _ in self.sent]
        for earlier, later in zip(times, times[QUOTA:], strict=False):
            assert later - earlier > 1.0


def test_an_undisturbed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What all others are compared with."""
    story = Story()
    assert story.live(monkeypatch)
    story.check()
    assert len(story.sent) == UNDISTURBED


@pytest.mark.parametrize("point", ENGINE_POINTS)
def test_a_kill_at_every_passage_of_a_point(
    monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """The first passage, the second, ... until it is not passed so often."""
    number = 0
    while True:
        number += 1
        story = Story()
        if story.live(monkeypatch, at=f"{point}:{number}"):
            break
        assert story.live(monkeypatch)
        story.check()
    assert number > 1


@pytest.mark.parametrize("seed", range(40))
def test_kills_at_any_moments(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Up to six kills in a row, at points and between them."""
    chance = random.Random(seed)
    story = Story()
    for _ in range(chance.randint(1, 6)):
        if chance.random() < 0.5:
            at = f"{chance.choice(ENGINE_POINTS)}:{chance.randint(1, 4)}"
            ended = story.live(monkeypatch, at=at)
        else:
            ended = story.live(monkeypatch, after_s=chance.uniform(0.01, 4.0))
        if ended:
            break
    else:
        assert story.live(monkeypatch)
    story.check()
