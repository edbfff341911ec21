"""The worker's end of the pacer: permits from a stock of grants, in a governor's place.

`LeasedGovernor` answers a gate as a `Governor` does, from what the pacer has granted; what it
lacks it wants, and what happens is noted for the pacer. Pure: every call carries `now_s`, the
database's time; `Leases.take_news` empties the notes. A grant that has ended is given back
unused, so a worker that cannot hear the pacer stops sending within a lease.

What is wanted is what stands in the gates' lines, counted when it is told, so the pacer grants
nothing that nobody here could use. A first try may go on a grant for a retry, never the other
way round: retries keep to their share. A grant wakes the gates of its run; they look by
themselves only in case a word was lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from ventil.core.condition import Condition
from ventil.core.exchange import Verdict
from ventil.core.pacer import Grant
from ventil.core.permit import Permit, Wait
from ventil.core.policy import Reason
from ventil.core.quota import QuotaImpossible
from ventil.core.snapshot import VERSION, GovernorState
from ventil.core.turns import Class

if TYPE_CHECKING:
    from ventil.core.exchange import Outcome

MARGIN_S = 0.02
"""A grant is not used so shortly before its end: clocks agree to some milliseconds only."""

LOOK_S = 0.25
"""How often a gate looks for a grant that did not wake it."""

ASK_AGAIN_S = 0.01
"""How often it looks whether answers have been stored."""

KEPT_S = 10.0
"""An answer that says "later" is told to every pacer that begins so soon after it."""

_KEPT = 32  # such answers: the latest

Line = Callable[[], Mapping[Class, int]]
"""How many requests of each class stand in a gate's line."""


class Leases:
    """The grants of one provider key in one worker.

    `news` is called when there is some, `later` when it may wait for a moment.
    """

    def __init__(
        self,
        news: Callable[[], None] = lambda: None,
        later: Callable[[], None] | None = None,
    ) -> None:
        self._news = news
        self._later = later or news
        self._lines: dict[str, Line] = {}
        self._stock: dict[tuple[str, Class], deque[Grant]] = {}
        self._want: dict[tuple[str, Class], int] = {}
        self._told: dict[tuple[str, Class], int] = {}  # what the pacer takes us to want
        self._used: list[tuple[int, float]] = []
        self._unused: list[int] = []
        self._done: list[tuple[int, float, Outcome, Hashable]] = []
        self._later_said: deque[tuple[int, float, Outcome, Hashable]] = deque(maxlen=_KEPT)
        self._standing: dict[int, Grant] = {}  # those under way
        self.again: list[tuple[int, float, float]] = []
        """Requests on standing grants that were answered well: number, sent at, answered at."""
        self.last_sent_s: dict[int, float] = {}
        """When the last one of a standing grant that is done was sent; who tells forgets it."""
        self._under_way: dict[int, float] = {}  # number, sent at
        self._wakes: dict[str, list[Callable[[], None]]] = {}
        self._never: dict[str, str] = {}  # runs that want what no quota allows, and why
        self.urgent: set[str] = set()
        """Runs that a person waits for."""
        self.seen = 0
        self.wait: Wait | None = None
        self.breaker = "closed"

    def governor(self, run: str, *, urgent: bool = False, most: float = inf) -> LeasedGovernor:
        """What the gate of a run asks. `urgent`: a person waits for it.

        `most`: permits of the run that may be held here, those whose answer is not stored
        yet included.
        """
        if urgent:
            self.urgent.add(run)
        return LeasedGovernor(self, run, most)

    def on_grant(self, run: str, wake: Callable[[], None]) -> None:
        """Call *wake* whenever a grant came for a run, until the run is finished."""
        self._wakes.setdefault(run, []).append(wake)

    def count_by(self, run: str, line: Line) -> None:
        """What a run wants is what stands in this line, until the run is finished.

        Without one it is what `admit` was told is pending.
        """
        self._lines[run] = line

    @property
    def active(self) -> bool:
        """Whether a pacer is needed."""
        return (
            bool(self._under_way)
            or any(self._want.values())
            or any(any(line().values()) for line in self._lines.values())
        )

    # -- from the pacer --------------------------------------------------------------

    def granted(self, grant: Grant) -> None:
        """A grant came, later than those before it; heard of twice, it counts once."""
        if grant.number <= self.seen:
            return
        place = (grant.run, (grant.weight, grant.retry))
        self._stock.setdefault(place, deque()).append(grant)
        # One less is wanted, beyond the stock; and the pacer knows it.
        self._want[place] = max(0, self._want.get(place, 0) - 1)
        self._told[place] = max(0, self._told.get(place, 0) - 1)
        self.seen = grant.number
        for wake in self._wakes.get(grant.run, ()):
            wake()

    def cut(self, numbers: Iterable[int]) -> None:
        """These stand no more: no request goes on them but what is in hand."""
        for number in numbers:
            grant = self._standing.pop(number, None)
            if grant is not None:
                self._standing[number] = replace(grant, use_by_s=0.0)
                continue
            for place, stock in self._stock.items():
                found = next((g for g in stock if g.number == number and g.standing), None)
                if found is not None:
                    stock.remove(found)
                    self._want[place] = self._want.get(place, 0) + 1
                    self._unused.append(number)
                    self._news()

    def never(self, run: str, why: str) -> None:
        """What a run wants will never be granted."""
        self._never[run] = why
        for wake in self._wakes.get(run, ()):
            wake()

    def new_pacer(self) -> None:
        """Another one paces from now on: grants not used are void, wants are told anew.

        So is what the provider said of coming later: the former may have died with it.
        """
        self._stock.clear()
        self._told.clear()
        self._used.clear()
        self._unused.clear()
        self._standing.clear()
        self.again.clear()
        self.last_sent_s.clear()
        self.seen = 0
        untold = {number for number, *_ in self._done}
        self._done += [one for one in self._later_said if one[0] not in untold]
        self._news()

    # -- to the pacer ----------------------------------------------------------------

    @property
    def under_way(self) -> dict[int, float]:
        """Numbers of the grants with a request under way, and when it was sent."""
        return dict(self._under_way)

    def take_news(
        self,
    ) -> tuple[
        list[tuple[str, Class, int]],
        list[tuple[int, float]],
        list[int],
        list[tuple[int, float, Outcome, Hashable]],
    ]:
        """(wants that changed, uses, given back, outcomes) since the last time.

        Beside them what is in `again` and `last_sent_s`, which the caller empties.
        """
        for run, line in self._lines.items():
            self._count(run, line())
        wants = []
        for place, count in self._want.items():
            if count != self._told.get(place, 0):
                wants.append((*place, count))
                self._told[place] = count
        self._want = {place: count for place, count in self._want.items() if count}
        news = wants, self._used, self._unused, self._done
        self._used, self._unused, self._done = [], [], []
        return news

    def _count(self, run: str, waiting: Mapping[Class, int]) -> None:
        """Want what waits beyond the stock."""
        for place in [p for p in {*self._want, *self._told} if p[0] == run]:
            self._want[place] = 0
        for (weight, retry), count in waiting.items():
            lacking = count - len(self._stock.get((run, (weight, retry)), ()))
            if not retry and lacking > 0:
                again = (weight, True)
                spare = len(self._stock.get((run, again), ())) - waiting.get(again, 0)
                lacking -= max(0, spare)
            self._want[run, (weight, retry)] = max(0, lacking)

    # -- for the gates ---------------------------------------------------------------

    def admit(
        self, now_s: float, run: str, pending: int, kind: Class, record: Hashable
    ) -> Permit | Wait:
        """See `Governor.admit`."""
        if run in self._never:
            raise QuotaImpossible(self._never[run])
        grant = self._take(now_s, (run, kind))
        weight, retry = kind
        if grant is None and not retry:
            grant = self._take(now_s, (run, (weight, True)))
        if grant is not None:
            self._under_way[grant.number] = now_s
            if grant.standing:
                self._standing[grant.number] = grant
            else:
                self._used.append((grant.number, now_s))
            if run not in self._lines:
                left = pending - 1 - len(self._stock.get((run, kind), ()))
                self._want[run, kind] = max(0, left)
            (self._later if grant.standing else self._news)()
            in_flight = len(self._under_way)
            return Permit(
                grant.number, now_s, weight, retry, record, in_flight, 0,
                probe=False, gate_probe=False,
            )  # fmt: skip
        line = self._lines.get(run)
        if line is None:
            self._want[run, kind] = pending
            changed = pending != self._told.get((run, kind), 0)
        else:
            # Who asks may not stand in the line yet.
            waiting = line()
            changed = waiting.get(kind, 0) != self._told.get((run, kind), 0) or not waiting
        if changed:  # how many more is no hurry
            (self._later if self._told.get((run, kind)) else self._news)()
        wait, until_s = self.wait, now_s + LOOK_S
        if retry and line is not None and line().get((weight, False)):
            return Wait(until_s, Reason.RETRY_BUDGET, "first tries need not wait for it")
        if wait is None:
            return Wait(until_s, Reason.LEASE, "waits for the next lease")
        if wait.until_s is not None and wait.reason is not Reason.CONCURRENCY_LIMIT:
            until_s = max(until_s, wait.until_s)  # the gate judges whether that is too late
        return Wait(until_s, wait.reason, wait.detail)

    def _take(self, now_s: float, place: tuple[str, Class]) -> Grant | None:
        """A grant from the stock that has not ended."""
        stock = self._stock.get(place)
        while stock:
            grant = stock.popleft()
            if grant.use_by_s - MARGIN_S > now_s:
                return grant
            self._unused.append(grant.number)
            self._news()
        return None

    def sweep(self, now_s: float) -> None:
        """Give back what has ended; nobody may want it any more."""
        while self._later_said and self._later_said[0][1] + KEPT_S <= now_s:
            self._later_said.popleft()
        for place, stock in self._stock.items():
            while stock and stock[0].use_by_s - MARGIN_S <= now_s:
                self._unused.append(stock.popleft().number)
                self._want[place] = 0
                self._news()

    def settle(self, permit: Permit, now_s: float, outcome: Outcome) -> None:
        """See `Governor.settle`."""
        if permit.settled:
            return
        permit.settled = True
        number = permit.number
        sent_s = self._under_way.pop(number, now_s)
        grant = self._standing.pop(number, None)
        if grant is not None and self._may_go_on(grant, now_s, outcome):
            self.again.append((number, sent_s, now_s))
            self._stock.setdefault((grant.run, (grant.weight, False)), deque()).append(grant)
            self._later()
            for wake in self._wakes.get(grant.run, ()):
                wake()
            return
        if grant is not None:
            self.last_sent_s[number] = sent_s
        over = (number, now_s, outcome, permit.record)
        self._done.append(over)
        if outcome.verdict is Verdict.THROTTLED or outcome.retry_after_s is not None:
            self._later_said.append(over)
        self._news()

    def _may_go_on(self, grant: Grant, now_s: float, outcome: Outcome) -> bool:
        """Whether the next request may go on a standing grant, and there is one."""
        line = self._lines.get(grant.run)
        kind = (grant.weight, False)
        return (
            outcome.verdict is Verdict.LIVE
            and not outcome.hints
            and now_s < grant.use_by_s - MARGIN_S
            and line is not None
            and line().get(kind, 0) > len(self._stock.get((grant.run, kind), ()))
        )

    def finished(self, run: str) -> None:
        """A run is over here: it wants nothing more."""
        self._wakes.pop(run, None)
        self._never.pop(run, None)
        self._lines.pop(run, None)
        self.urgent.discard(run)
        for place, stock in list(self._stock.items()):
            if place[0] == run:
                self._unused.extend(grant.number for grant in stock)
                del self._stock[place]
        for place in [p for p in {*self._want, *self._told} if p[0] == run]:
            self._want[place] = 0
        self._news()


class LeasedGovernor:
    """In a governor's place for one run; see `Governor`."""

    changes = 0  # the pacer stores the state
    full = False

    def __init__(self, leases: Leases, run: str, most: float = inf) -> None:
        self._leases = leases
        self._run = run
        self._most = most
        self._held = 0  # permits that are not settled

    def count_by(self, line: Line) -> None:
        """See `Leases.count_by`; what may not be held here is not wanted."""

        def usable() -> Mapping[Class, int]:
            room = self._most - self._held
            return {kind: int(min(count, max(0, room))) for kind, count in line().items()}

        self._leases.count_by(self._run, usable)

    def admit(
        self,
        now_s: float,
        *,
        pending: int = 1,
        weight: int = 1,
        retry: bool = False,
        record: Hashable = None,
    ) -> Permit | Wait:
        """A permit from the stock, or what to wait for. Raises `QuotaImpossible`."""
        if self._held >= self._most:
            words = f"{self._held} answers on their way to the database"
            return Wait(now_s + ASK_AGAIN_S, Reason.LEASE, words)
        found = self._leases.admit(now_s, self._run, pending, (weight, retry), record)
        self._held += isinstance(found, Permit)
        return found

    def answered(self, permit: Permit, now_s: float, outcome: Outcome) -> None:
        """A request is over, and its samples are not stored yet: the slot is anybody's.

        What a kill of this worker makes others repeat is what is not settled here.
        """
        self._leases.settle(permit, now_s, outcome)

    def settle(self, permit: Permit, now_s: float, outcome: Outcome) -> None:
        """A request is over, and what came of it is stored."""
        self._held -= 1
        self._leases.settle(permit, now_s, outcome)

    @property
    def breaker_open(self) -> bool:
        """Whether only probes go out, as the pacer told last."""
        return self._leases.breaker != "closed"

    def condition(self, now_s: float) -> Condition:
        """What the pacer told last."""
        wait = self._leases.wait
        return Condition(
            words="paced by another worker" if wait is None else wait.detail,
            in_flight=len(self._leases.under_way),
            limit=0,
            breaker=self._leases.breaker,
            next_probe_s=None,
            gate_until_s=None,
            sent=0,
            verdicts={},
        )

    def state(self, now_s: float, *, final: bool = False) -> GovernorState:
        """Nothing: what is to be stored, the pacer stores."""
        return GovernorState(version=VERSION, stamp_s=now_s, final=final)
