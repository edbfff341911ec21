"""One governor for many workers: who may send the next request, and until when.

One worker paces a provider key for all of them: it runs the only `Governor`, so quotas, the
learned limit, cooldown and breaker are one, and what is learned is learned once. The others
say how many requests wait with them, of which run; the pacer grants single permits, each to
be used within `LEASE_S`, and is told of every use and every outcome.

Pure, like the governor: every call carries `now_s`. All times are the database's.

::

    wanted ─► grants(now_s) ─► Grant ─► used(at) ─► done(outcome)
                                   └──► unused

A grant holds a slot from its making to its outcome, and counts in every window from its
making to a window's length after its use (see `uses`). A worker that is gone can tell
neither: its unused grants count as used at their end, its slots come back once its requests
are surely over. A new pacer knows neither the requests under way of the other workers, until
they tell, nor those of a former pacer that may still live: these hold slots as *strangers*
(`core.strangers`).

Where a provider answers in milliseconds, states no quota and only one run wants something, a
grant *stands*: its worker sends one request after another on it, at most one at a time, and
tells of many at once. It ends with the first answer that is not plain, after `STANDING_S`, or
when it is *cut*: the limit has fallen, or more objects by now. So a limit on requests in
flight holds at every moment, and a fall of it as soon as it is heard of.

The limit learns from how long answers take at each of its steps. What went out before a step
was heard of, but is told later, tells nothing about it, and is not measured.

Which run gets the next grant is for `core.turns` to say: they share evenly.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from ventil.core.exchange import ANSWERED, Outcome, Verdict
from ventil.core.permit import Permit, Wait
from ventil.core.policy import Policy, Reason
from ventil.core.promise import SPARE, promised
from ventil.core.quota import QuotaImpossible
from ventil.core.retune import retune
from ventil.core.snapshot import PromiseState
from ventil.core.strangers import Strangers
from ventil.core.turns import Class, Turns
from ventil.core.uses import Uses

if TYPE_CHECKING:
    from ventil.core.governor import Governor
    from ventil.core.snapshot import GovernorState

LEASE_S = 0.5
"""A grant is to be used within so many seconds, or given back."""

STANDING_S = 0.5
"""A standing grant is used again for so long: then others have their turn."""

STANDING_ANSWER_S = 0.02
"""Grants stand where a provider answers as fast as this: else the way there is no matter."""

SURELY_OVER_S = 1.0
"""The requests of a process that has ended are over so long after its last grant."""

_HEARD_S = 0.01
"""A step of the limit is heard of everywhere after so long, or a little later."""

_TOLD_S = 0.05
"""Whether a grant was used is usually told sooner."""

_TOGETHER_S = 0.2
"""Throughput is taken over so long where answers are told of together."""

_LATE = 1000  # numbers that are told of late, or twice, of which we know


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave for *worker* to send one request of *run* until `use_by_s`.

    `standing`: once that is answered well, another one, and so on: see `Pacer.again`.
    """

    number: int
    worker: str
    run: str
    weight: int
    retry: bool
    use_by_s: float
    standing: bool = False


@dataclass(slots=True)
class _Out:
    """A grant that is not over. `permit` is None for a request beyond a limit that fell."""

    grant: Grant
    permit: Permit | None
    used: bool = False
    seen: bool = False
    """It has come, though not what was told of it."""


def longest_s(slowest_s: float | None, timeout_s: float) -> float:
    """How long a provider may go on working on the request of a process that is dead.

    Some do not notice, so with some air as long as answers took lately: *slowest_s*. None is
    taken for *timeout_s*, the longest that we would have waited.
    """
    return timeout_s if slowest_s is None else min(timeout_s, 2 * slowest_s + 0.2)


class Pacer:
    """Grants for one provider key. `wait` says why there are no more, None when nobody waits.

    Grants are numbered from `first` on: numbers of different pacers must not meet. `standing`:
    some grants may stand, for who tells them apart and tells of `again`.
    """

    def __init__(
        self, governor: Governor, now_s: float, *, first: int = 1, standing: bool = False
    ) -> None:
        self._standing = standing
        if standing:
            governor.told_together(_TOGETHER_S)
        self._governor = governor
        governor.passed_on()
        self._uses = Uses(governor.policy.quotas, governor.state(now_s).windows, now_s=now_s)
        self._first, self._number = first, first - 1
        self._begun_s = now_s
        self._given_up: deque[int] = deque(maxlen=_LATE)  # their slots came back untold
        self._overheard: deque[int] = deque(maxlen=_LATE)
        self._turns = Turns()
        self._out: dict[int, _Out] = {}
        self._lost: dict[int, float] = {}  # numbers of the gone, and when their slots return
        self._strangers = Strangers()
        self._beyond: set[int] = set()  # under way where the governor would not have it
        self._stand: dict[int, str] = {}  # grants that stand and are not cut, and with whom
        self._cuts: dict[str, list[int]] = {}  # by worker: to be told
        self._never: dict[str, dict[str, str]] = {}  # worker, run: to be told
        self._limit = 0  # as it was when grants were made last
        self._stepped_s = -inf  # its last step is heard of everywhere from then on
        self.slowest_before_s: float | None = None
        """The longest answer time in the former pacer's last minute or two."""
        self.wait: Wait | None = None
        self.quiet: Collection[str] = ()
        """Workers that have shown no sign of life lately: they get nothing."""

    # -- what workers tell -----------------------------------------------------------

    def wanted(self, worker: str, run: str, kind: Class, count: int, *, seen: int = 0) -> None:
        """*count* requests of a class wait in *worker*, beside those it has grants for.

        *seen*: the latest grant that it knew of when it said so.
        """
        unseen = sum(
            out.grant.number > seen
            and not (out.used or out.seen or out.grant.number in self._lost)
            for out in self._out.values()
            if (out.grant.worker, out.grant.run) == (worker, run)
            and (out.grant.weight, out.grant.retry) == kind
        )
        self._turns.want((run, worker, kind), count - unseen)

    def urgent(self, run: str) -> None:
        """A person waits for *run*; said again whenever it wants something."""
        self._turns.urgent(run)

    def used(self, number: int, at_s: float) -> None:
        """A request went out on a grant at *at_s*."""
        out = self._out.get(number)
        if out is not None and not out.used:
            out.used = True
            if out.permit is not None:
                out.permit.sent_s = max(out.permit.sent_s, at_s)
            self._uses.used(number, at_s)

    def unused(self, number: int, now_s: float) -> None:
        """A grant was given back."""
        out = self._out.pop(number, None)
        self._beyond.discard(number)
        self._stand.pop(number, None)
        if out is not None:
            self._uses.unused(number)
            self._settle(out, now_s, Outcome(Verdict.IGNORED))

    def again(self, number: int, sent_s: float, at_s: float) -> None:
        """A request on a standing grant was answered well; the next one goes on it.

        A worker tells many of them at once, some moments later: what the governor learns is
        how long each took, as if it had ended now.
        """
        out = self._out.get(number)
        if out is None or number in self._lost:
            return
        self.used(number, sent_s)
        self._uses.answered(number, at_s)
        self._settle(out, at_s, Outcome(Verdict.LIVE), sent_s)
        grant = out.grant
        if at_s < self._stepped_s or self._governor.limit != self._limit:
            self._governor.unmeasured()
        permit = self._governor.admit(at_s, pending=self.waiting, weight=grant.weight)
        # The limit may have fallen meanwhile; the request is under way all the same.
        out.permit = permit if isinstance(permit, Permit) else None
        self._uses.grant(number, grant.weight, grant.use_by_s, grant.worker)
        self._beyond.discard(number)
        if out.permit is None:
            self._beyond.add(number)
            self._cut(number)
        out.used = False

    def _cut(self, number: int) -> None:
        """No other request is to go on a grant."""
        worker = self._stand.pop(number, None)
        if worker is not None:
            self._cuts.setdefault(worker, []).append(number)

    def take_cuts(self) -> dict[str, list[int]]:
        """Grants that stand no more, by the worker that is to be told."""
        cuts, self._cuts = self._cuts, {}
        return cuts

    def take_nevers(self) -> dict[str, dict[str, str]]:
        """Runs that want what no quota will ever allow, and why, by the worker to be told."""
        nevers, self._never = self._never, {}
        return nevers

    def done(
        self,
        number: int,
        at_s: float,
        outcome: Outcome,
        record: Hashable,
        *,
        sent_s: float | None = None,
    ) -> None:
        """The request for *record* on a grant is over. Told twice, the second is ignored.

        Whoever granted it, a provider that says "later" is heard. *sent_s*: when the last one
        of a standing grant went out.
        """
        self._strangers.forget(number)
        asleep = self._lost.pop(number, None) is not None
        self._beyond.discard(number)
        self._stand.pop(number, None)
        self.used(number, at_s if sent_s is None else sent_s)
        out = self._out.pop(number, None)
        asleep = asleep or (out is not None and out.grant.worker in self.quiet)
        if asleep and outcome.verdict is Verdict.LIVE:
            outcome = replace(
                outcome, verdict=Verdict.IGNORED
            )  # read late: no sign of slowness
        if outcome.verdict in ANSWERED and not asleep:
            self._uses.answered(number, at_s)
        else:
            self._uses.ended(number, at_s)
        if out is not None:
            if out.permit is not None:
                out.permit.record = record
            self._settle(out, at_s, outcome, sent_s)
        elif number not in self._overheard:
            former = number < self._first
            if former or number in self._given_up:
                self._overheard.append(number)
                latest_s = min(at_s, self._begun_s) if former else at_s
                self._governor.overhear(at_s, latest_s if sent_s is None else sent_s, outcome)

    def _settle(
        self, out: _Out, at_s: float, outcome: Outcome, sent_s: float | None = None
    ) -> None:
        permit = out.permit
        if permit is None:
            self._governor.overhear(at_s, at_s if sent_s is None else sent_s, outcome)
            return
        if sent_s is not None:
            late_s = max(0.0, self._governor.now_s - at_s)
            permit.sent_s, at_s = sent_s + late_s, at_s + late_s
        self._governor.settle(permit, at_s, outcome)

    def under_way(
        self, numbers: Iterable[int], until_s: float, worker: str | None = None
    ) -> None:
        """Requests on grants of a former pacer that are not over, until *until_s* at most."""
        for number in numbers:
            if number not in self._out:
                self._strangers.add(number, until_s, worker)

    def unheard(self, now_s: float, until_s: float) -> None:
        """Slots that nobody has told of are taken, by who will not tell, until *until_s*."""
        free = self._governor.condition(now_s).limit - len(self._strangers)
        self._strangers.reserve(free, until_s)

    def reserve(self, worker: str, most: int, until_s: float) -> None:
        """*worker* may have so many requests under way, and cannot say, until *until_s*."""
        self._strangers.reserve(most, until_s, worker)

    def longest_s(self, timeout_s: float) -> float:
        """See `longest_s`, by the answers of the last minute or two."""
        slowest_s = self._uses.slowest_s
        return longest_s(self.slowest_before_s if slowest_s is None else slowest_s, timeout_s)

    def only(self, worker: str, numbers: Iterable[int]) -> None:
        """Of *worker*'s grants these alone have a request under way: words were lost."""
        kept = set(numbers)
        self._strangers.told(worker)
        for number, out in self._out.items():
            if out.grant.worker != worker:
                continue
            if number in kept:
                self._lost.pop(number, None)  # it is back, and will tell
                out.seen = True
            else:
                self._uses.end(number)
                self._lost[number] = out.grant.use_by_s + SURELY_OVER_S

    def gone(self, worker: str, *, over_s: float) -> None:
        """*worker* will tell nothing any more; all its requests are over at *over_s*."""
        self._turns.leave(worker)
        for number, out in self._out.items():
            if out.grant.worker == worker:
                self._uses.end(number)
                self._lost[number] = max(over_s, out.grant.use_by_s + SURELY_OVER_S)
        self._strangers.gone(worker, over_s)

    def retune(self, policy: Policy, now_s: float) -> None:
        """Another policy holds from now on; see `core.retune`."""
        retune(self._governor.parts, policy, now_s)
        self._uses.change(policy.quotas, now_s)

    # -- what they get ---------------------------------------------------------------

    def grants(self, now_s: float, until_s: float = inf) -> list[Grant]:
        """All grants that can be made now; they end at *until_s* at the latest."""
        self._take_back(now_s)
        self._look_at_limit(now_s)
        made: list[Grant] = []
        self.wait = None
        use_by_s = min(now_s + LEASE_S, until_s)
        retries = True
        barred = self._barred(now_s)
        while (ask := self._turns.next(barred, retries=retries)) is not None:
            run, worker, kind = ask
            try:
                permit = self._admit(now_s, *kind)
            except QuotaImpossible as error:  # the others go on
                self._turns.want(ask, 0)
                self._never.setdefault(worker, {})[run] = error.message
                continue
            if isinstance(permit, Wait):
                self.wait = permit
                if retries and permit.reason is Reason.RETRY_BUDGET:
                    retries = False
                    continue
                return made
            self._number += 1
            standing = not kind[1] and self._may_stand(now_s, use_by_s)
            end_s = min(use_by_s, now_s + STANDING_S) if standing else use_by_s
            grant = Grant(self._number, worker, run, *kind, end_s, standing)
            self._out[grant.number] = _Out(grant, permit)
            self._uses.grant(grant.number, grant.weight, end_s, worker)
            made.append(grant)
            if standing:
                self._stand[grant.number] = worker
            self._turns.take(ask)
        return made

    def _look_at_limit(self, now_s: float) -> None:
        """Note a step of the limit; cut what stands where more than the limit objects."""
        if self._governor.limit != self._limit:
            self._limit = self._governor.limit
            self._stepped_s = now_s + _HEARD_S
        if self._stand and not self._governor.unbound(now_s, now_s, STANDING_ANSWER_S):
            for number in [*self._stand]:
                self._cut(number)

    def _may_stand(self, now_s: float, until_s: float) -> bool:
        """Whether a grant may be used again and again: nobody else wants, and little binds."""
        return (
            self._standing
            and self._turns.runs == 1
            and not self._strangers
            and self._governor.unbound(now_s, until_s, STANDING_ANSWER_S)
        )

    def _admit(self, now_s: float, weight: int, retry: bool) -> Permit | Wait:
        free_s, quota = self._uses.free_from(now_s, weight)
        if free_s is None or free_s > now_s:
            return Wait(free_s, Reason.QUOTA, f"quota {quota}")
        if self._strangers or self._beyond:
            limit = self._governor.parts.limit
            others = len(self._strangers) + len(self._beyond)
            # What a stopped worker may hold is no part of a limit that has just begun anew at
            # half of what was good: of this it would leave nothing to the others.
            room = max(limit.whole, int(limit.good)) - self._governor.in_flight - others
            if (
                room <= 0
                or self._governor.in_flight + others - self._strangers.asleep >= limit.whole
            ):
                words = f"{others} in flight that were let out before"
                return Wait(self._strangers.first_s, Reason.CONCURRENCY_LIMIT, words)
        return self._governor.admit(now_s, pending=self.waiting, weight=weight, retry=retry)

    def _barred(self, now_s: float) -> set[str]:
        """Workers that get nothing: the quiet, and who has told of too few of its grants.

        From a worker that is stopped or cut off nothing comes back. So it gets about an even
        part of the slots, and not one after another until it holds all of them.
        """
        wanting = self._turns.workers
        barred = {*self.quiet}
        if len(wanting) > 1:
            untold = Counter(
                out.grant.worker
                for number, out in self._out.items()
                if not (out.used or out.grant.standing or number in self._lost)
                and out.grant.use_by_s - LEASE_S + _TOLD_S <= now_s
            )
            part = max(SPARE, -(-self._governor.limit // len(wanting)))
            barred.update(worker for worker, count in untold.items() if count >= part)
        return barred

    def _take_back(self, now_s: float) -> None:
        """Slots of requests that are surely over."""
        self._strangers.take_back(now_s)
        for number in [n for n, over_s in self._lost.items() if over_s <= now_s]:
            del self._lost[number]
            self._beyond.discard(number)
            self._stand.pop(number, None)
            self._uses.ended(number, now_s)
            out = self._out.pop(number, None)
            if out is not None:
                self._given_up.append(number)
                self._settle(out, now_s, Outcome(Verdict.IGNORED))

    # -- what it knows ---------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Requests that wait at all workers."""
        return self._turns.waiting

    @property
    def workers(self) -> set[str]:
        """All workers that want something, or have grants that are not known to be lost."""
        return self._turns.workers | {
            out.grant.worker for n, out in self._out.items() if n not in self._lost
        }

    @property
    def out(self) -> int:
        """Grants that are not over."""
        return len(self._out) + len(self._strangers)

    @property
    def held(self) -> Counter[str]:
        """Slots by worker, as far as they are known to be somebody's."""
        held = Counter(out.grant.worker for out in self._out.values())
        held.update(self._strangers.holders())
        return held

    @property
    def settled(self) -> bool:
        """Whether no slot is taken by who will not tell: a successor need not know of any."""
        return not (self._lost or self._strangers)

    def next_s(self) -> float | None:
        """When to ask for grants again, if nobody tells anything before."""
        times = [*self._lost.values()]
        if self.wait is not None and self.wait.until_s is not None:
            times.append(self.wait.until_s)
        return min(times, default=None)

    @property
    def changes(self) -> int:
        """Grows whenever something happened that a successor must know of."""
        return self._governor.changes

    def breaker(self, now_s: float) -> str:
        """The breaker's state in a word."""
        return self._governor.condition(now_s).breaker

    def state(self, now_s: float, *, final: bool = False) -> GovernorState:
        """For the successor; what is out counts as used. `final`: nothing will be granted."""
        state = self._governor.state(now_s, final=final)
        slowest_s = self._uses.slowest_s
        return replace(
            state,
            windows=self._uses.snapshot(now_s),
            slowest_s=self.slowest_before_s if slowest_s is None else slowest_s,
            promises=tuple(PromiseState(*one) for one in promised(self.held).items()),
        )
