"""Many workers and one pacer in virtual time: to the provider they are one client.

Each worker has its end of the pacer (`core.lease`), and the first one the pacer itself
(`core.pacer`), as `ventil worker` processes that share a Postgres have them. Words between
them take a drawn time, stay in order on each way, and all of a moment go in one, the next
not before that one is on its way. Records come in chunks: a worker holds a few, and claims
another one when all records of one of them are in.

What it leaves out: elections, beats, and the storing of the governor's state; the time from
an answer to its commit.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ventil.core.governor import Governor, Permit, Policy
from ventil.core.lease import LeasedGovernor, Leases
from ventil.core.pacer import Pacer
from ventil.sim.lab.client import FOREVER
from ventil.sim.lab.governed import EPOCH_S, gauge, judged
from ventil.sim.lab.provider import CALL, OK, Flight
from ventil.sim.lab.race import GIVE_UP, Race, Result, Scenario, Worker

if TYPE_CHECKING:
    from ventil.core.pacer import Grant

RUN = "run"
TELL_S = 0.25
"""The pacer looks again at least so often."""
LATER_S = 0.05
"""What is no hurry waits so long for more of its kind."""


@dataclass(frozen=True, slots=True)
class Way:
    """How long a word is under way, in seconds: mostly evenly drawn, seldom long."""

    least_s: float = 0.001
    most_s: float = 0.010
    seldom_s: float = 0.100
    share: float = 0.005

    def draw(self, rng: random.Random) -> float:
        """One word's time."""
        if rng.random() < self.share:
            return self.seldom_s
        return rng.uniform(self.least_s, self.most_s)


@dataclass(frozen=True, slots=True)
class Workers:
    """So many of them, each with up to `slots` chunks of `chunk` records at a time."""

    count: int
    slots: int = 10
    chunk: int = 100
    way: Way = Way()


class End:
    """One worker's end: what its gate asks, as a client of the lab."""

    separates_retries = True

    def __init__(self, crowd: Crowd) -> None:
        self.leases = Leases(self._news, self._later)
        self.governor: LeasedGovernor = self.leases.governor(RUN)
        self.crowd = crowd
        self.permit: Permit | None = None
        self.worker: Worker
        self.name = ""
        self.now_s = 0.0
        self.something = False
        self.later = False
        self.tells_s = math.inf  # when it tells next, if nothing happens
        self.telling_until_s = 0.0
        self.latest_s: dict[End, float] = {}  # when the latest word to an end arrives

    def _news(self) -> None:
        if not self.something:
            self.something = True
            self.crowd.wants_to_tell(self)

    def _later(self) -> None:
        if not self.later:
            self.later = True
            self.crowd.call(self.crowd.now_s + LATER_S, self._in_time)

    def _in_time(self, t: float) -> None:
        self.later = False
        self._news()

    # -- the lab's client ------------------------------------------------------------

    def ask(self, now_s: float, pending: int, retry: bool, record: int) -> float:
        """What the leases say; a permit is kept for `sent`."""
        self.now_s = now_s
        answer = self.governor.admit(
            EPOCH_S + now_s, pending=pending, retry=retry, record=record
        )
        if isinstance(answer, Permit):
            self.permit = answer
            return now_s
        if answer.until_s is None:
            return FOREVER
        return max(answer.until_s - EPOCH_S, now_s + 0.001)  # as the gate's timer

    def sent(self, now_s: float) -> object:
        """The permit travels with the request."""
        permit, self.permit = self.permit, None
        return permit

    def completed(self, now_s: float, flight: Flight) -> None:
        """Judge the answer; the pacer hears of it."""
        self.now_s = now_s
        self.governor.settle(flight.ticket, EPOCH_S + now_s, judged(flight))

    def gauge(self, now_s: float) -> tuple[float, str]:
        """The pacer's."""
        return gauge(self.crowd.governor, EPOCH_S + now_s)


class Crowd(Race):
    """An experiment with workers who share a pacer, the first one's."""

    def __init__(
        self,
        scenario: Scenario,
        workers: Workers,
        *,
        name: str = "ventil-x",
        seed: int = 0,
        trace: bool = False,
        give_up: float = GIVE_UP,
        policy: Policy | None = None,
    ) -> None:
        self.ends: list[End] = []

        def new_end(seed: int) -> End:
            self.ends.append(End(self))
            return self.ends[-1]

        crowd = replace(scenario, starts_s=(0.0,) * workers.count)
        super().__init__(crowd, new_end, name, seed, trace, give_up)
        self.kind = workers
        self.way = workers.way
        self.chance = random.Random(f"words:{seed}")  # noqa: S311 - a model, not a secret
        self.governor = Governor(policy or Policy(), EPOCH_S, seed=seed)
        self.pacer = Pacer(self.governor, EPOCH_S, standing=True)
        self.told: dict[str, object] = {}
        self.now_s = 0.0
        for number, (end, worker) in enumerate(zip(self.ends, self.workers, strict=True)):
            end.name, end.worker = f"w{number}", worker
            end.governor.count_by(partial(_line, worker))
            end.leases.on_grant(RUN, lambda worker=worker: self._pump(self.now_s, worker))  # type: ignore[misc]
            worker.next = worker.end = 0
        size = workers.chunk
        firsts = range(0, scenario.n, size)
        self.unclaimed = [range(k, min(k + size, scenario.n)) for k in reversed(firsts)]
        self.left = {chunk.start // size: len(chunk) for chunk in self.unclaimed}
        self.free = dict.fromkeys(self.workers, workers.slots)
        for worker in self.workers:
            self._claim(worker)

    def call(self, t: float, what: Callable[[float], None]) -> None:
        """Have something done at *t*."""

        def at(t: float) -> None:
            self.now_s = t
            what(t)

        self._push(t, CALL, at)

    # -- chunks ----------------------------------------------------------------------

    def _claim(self, worker: Worker) -> None:
        while self.free[worker] and self.unclaimed:
            self.free[worker] -= 1
            chunk = self.unclaimed.pop()
            worker.later.append(chunk)
            worker.later_count += len(chunk)

    def _complete(self, t: float, flight: Flight) -> None:
        self.now_s = t
        if flight.status == OK:
            chunk = flight.record // self.kind.chunk
            self.left[chunk] -= 1
            if not self.left[chunk]:
                worker = flight.worker
                self.free[worker] += 1

                def claim(t: float) -> None:
                    self._claim(worker)
                    self._pump(t, worker)

                self.call(t + self.way.draw(self.chance), claim)
        super()._complete(t, flight)

    def _pump(self, t: float, worker: Worker) -> None:
        self.now_s = t
        super()._pump(t, worker)

    # -- words -----------------------------------------------------------------------

    def wants_to_tell(self, end: End) -> None:
        """There is something to tell: now, or when the words before it are on their way."""
        self._tell_at(end, max(self.now_s, end.telling_until_s))

    def _tell_at(self, end: End, at_s: float) -> None:
        if at_s < end.tells_s:
            end.tells_s = at_s

            def tell(t: float) -> None:
                if end.tells_s <= t:
                    end.tells_s = math.inf
                    self._tell(t, end)

            self.call(at_s, tell)

    def _tell(self, t: float, end: End) -> None:
        end.something = False
        first = self.ends[0]
        said = False
        leases = end.leases
        wants, used, unused, done = leases.take_news()
        again, leases.again = leases.again, []
        last_sent_s, leases.last_sent_s = leases.last_sent_s, {}
        if wants or used or unused or done or again:
            seen = leases.seen

            def heard(t: float) -> None:
                pacer, now_s = self.pacer, EPOCH_S + t
                for number, sent_s, at_s in again:
                    pacer.again(number, sent_s, at_s)
                for number, at_s in used:
                    pacer.used(number, at_s)
                for number in unused:
                    pacer.unused(number, now_s)
                for number, at_s, outcome, record in done:
                    sent = last_sent_s.get(number)
                    pacer.done(number, at_s, outcome, record, sent_s=sent)
                for run, kind, count in wants:
                    pacer.wanted(end.name, run, kind, count, seen=seen)
                first._news()

            said = self._say(t, end, first, heard)
        if end is first:
            said = self._pace(t) or said
            next_s = self.pacer.next_s()
            at_s = t + TELL_S if next_s is None else min(t + TELL_S, next_s - EPOCH_S)
            self._tell_at(end, max(at_s, t + 0.001))
        if said:
            end.telling_until_s = t + self.way.least_s * 2
        if end.something:
            self._tell_at(end, max(t, end.telling_until_s))

    def _say(self, t: float, end: End, to: End, heard: Callable[[float], None]) -> bool:
        """Have a word heard; whether it had to go by the database."""
        if to is end:
            heard(t)
            return False
        arrives_s = max(t + self.way.draw(self.chance), end.latest_s.get(to, 0.0))
        end.latest_s[to] = arrives_s
        self.call(arrives_s, heard)
        return True

    def _pace(self, t: float) -> bool:
        """Grant what can be granted, and tell why there is no more."""
        pacer, first = self.pacer, self.ends[0]
        grants: dict[str, list[Grant]] = {}
        for grant in pacer.grants(EPOCH_S + t):
            grants.setdefault(grant.worker, []).append(grant)
        cuts = pacer.take_cuts()
        shown = pacer.wait, pacer.breaker(EPOCH_S + t)
        telling = pacer.workers | grants.keys() | {first.name}
        said = False
        for end in self.ends:
            if end.name not in telling:
                continue
            new = self.told.get(end.name) != shown
            mine = grants.get(end.name, [])
            cut = cuts.get(end.name, [])
            if new or mine or cut:
                self.told[end.name] = shown
                word = _Grants(end, mine, cut, shown if new else None)
                said = self._say(t, first, end, word) or said
        return said


@dataclass(frozen=True, slots=True)
class _Grants:
    """A word from the pacer."""

    end: End
    grants: list[Grant]
    cut: list[int]
    shown: tuple[object, str] | None

    def __call__(self, t: float) -> None:
        leases = self.end.leases
        for grant in self.grants:
            leases.granted(grant)
        leases.cut(self.cut)
        if self.shown is not None:
            leases.wait, leases.breaker = self.shown  # type: ignore[assignment]


def _line(worker: Worker) -> dict[tuple[int, bool], int]:
    """What stands at a worker's gate."""
    fresh = worker.end - worker.next + worker.later_count
    return {(1, False): fresh, (1, True): len(worker.ready)}


def run(
    scenario: Scenario,
    workers: Workers,
    *,
    seed: int = 0,
    trace: bool = False,
    give_up: float = GIVE_UP,
    retries_last: bool = False,
    policy: Policy | None = None,
) -> Result:
    """One experiment. `retries_last` as in `race.run`."""
    crowd = Crowd(
        scenario, workers, name=f"ventil-x{workers.count}", seed=seed, trace=trace,
        give_up=give_up, policy=policy,
    )  # fmt: skip
    crowd.retries_last = retries_last
    return crowd.run()


__all__ = ["Crowd", "End", "Way", "Workers", "run"]
