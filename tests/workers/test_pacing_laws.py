"""Workers, words and a pacer that all may fail: the limits hold, and the work gets done.

In virtual time. Words take up to a second each way and stay in order on each way, as on one
connection; some are heard twice. A worker is cut off now and then: the words on their way are
lost, and it tells anew what it has under way. Workers die, the one that paces too; the next
pacer begins with what the former has stored, as `adapters.terms` has it, and does not wait for
who has been cut off for a while.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, GovernorState, Policy, Quota
from ventil.core.lease import Leases
from ventil.core.pacer import LEASE_S, SURELY_OVER_S, Pacer
from ventil.core.permit import Permit
from ventil.core.promise import kept, most_held

STEP_S = 0.02
TERM_S = 3.0
SAVE_S = 0.5
QUIET_S = 0.3
"""Of whom nothing is heard for so long, he is not waited for."""

NOTICED_S = 2.5
"""A dead worker is given up so long after its end."""

TIMEOUT_S = 2.0
RUN = "run"
LIVE = Outcome(Verdict.LIVE)
OUTCOMES = (
    *[LIVE] * 40,
    Outcome(Verdict.THROTTLED, 0.3, (), "429"),
    *[Outcome(Verdict.OVERLOADED, detail="503")] * 2,
)


@dataclass
class End:
    """One worker: its line, what it has under way, and whether it is there."""

    leases: Leases = field(default_factory=Leases)
    fresh: int = 0
    again: int = 0
    held: list[tuple[Permit, float, Outcome]] = field(default_factory=list)
    cut_s: float = 0.0
    cut_until_s: float = 0.0
    died_s: float = inf
    given_up: bool = False
    term: int = 0

    def there(self, now_s: float) -> bool:
        """It lives and hears."""
        return self.died_s == inf and self.cut_until_s <= now_s


@dataclass
class Term:
    """Who paces, until when, and how."""

    number: int
    holder: str
    pacer: Pacer
    awaited: set[str]
    until_s: float
    saved_s: float = -inf
    saved_changes: int = -1
    promises: dict[str, int] = field(default_factory=dict)
    former: dict[str, int] | None = None


@dataclass
class World:
    """All of it, with chance by seed."""

    chance: random.Random
    policy: Policy
    slow_s: float
    records: int
    workers: int
    quick: bool = False
    """Answers within milliseconds, so that grants may stand."""
    now_s: float = 0.0
    ends: dict[str, End] = field(default_factory=dict)
    term: Term | None = None
    terms: int = 0
    stored: GovernorState | None = None
    words: list[tuple[float, str, str, int, Any]] = field(default_factory=list)
    latest: dict[tuple[str, str], float] = field(default_factory=dict)
    sent: list[float] = field(default_factory=list)
    peak: int = 0
    stood: int = 0
    passed_over: int = 0

    def run(self, cuts: int, deaths: int) -> None:
        """Until all records are in."""
        names = [f"w{number}" for number in range(self.workers)]
        self.ends = {name: End(fresh=self.records // self.workers) for name in names}
        for end in self.ends.values():
            end.leases.count_by(RUN, self._line(end))
        draw = self.chance.uniform
        cutting = sorted(draw(0.5, 8.0) for _ in range(cuts))
        dying = sorted(draw(0.5, 8.0) for _ in range(min(deaths, self.workers - 1)))
        while any(e.fresh or e.again or e.held for e in self.ends.values() if not e.given_up):
            self.now_s += STEP_S / 4 if self.quick else STEP_S
            assert self.now_s < 400, "no progress"
            while cutting and cutting[0] <= self.now_s:
                cutting.pop(0)
                self._cut(self.chance.choice(self._living()))
            while dying and dying[0] <= self.now_s:
                dying.pop(0)
                self._die(self.chance.choice(self._living()))
            self._give_up()
            self._stand()
            self._wait_for_none()
            self._deliver()
            for name, end in self.ends.items():
                if end.died_s == inf:
                    self._work(name, end)
            self._pace()

    def _line(self, end: End) -> Any:
        return lambda: {(1, False): end.fresh, (1, True): end.again}

    def _living(self) -> list[str]:
        return [name for name, end in self.ends.items() if end.died_s == inf]

    # -- faults ----------------------------------------------------------------------

    def _cut(self, name: str) -> None:
        end = self.ends[name]
        end.cut_s = self.now_s
        end.cut_until_s = self.now_s + self.chance.uniform(0.1, 2.0)
        self.words = [word for word in self.words if name not in word[1:3]]
        end.term = 0  # it learns anew who paces
        if self.term is not None and self.term.holder == name:
            self.term.holder = ""  # what was said to it meanwhile is lost: it goes on no more

    def _die(self, name: str) -> None:
        end = self.ends[name]
        end.died_s = self.now_s
        self.words = [word for word in self.words if word[2] != name]
        heir = self.ends[self._living()[0]]  # its records are claimed by another
        heir.fresh += end.fresh + end.again + len(end.held)
        end.fresh = end.again = 0
        end.held.clear()
        if self.term is not None and self.term.holder == name:
            self.term.holder = ""

    def _give_up(self) -> None:
        for name, end in self.ends.items():
            if not end.given_up and end.died_s + NOTICED_S <= self.now_s:
                end.given_up = True
                if self.term is not None:
                    self.term.awaited.discard(name)
                    self.term.pacer.gone(name, over_s=self.now_s + SURELY_OVER_S)

    # -- terms -----------------------------------------------------------------------

    def _stand(self) -> None:
        term = self.term
        if term is not None and term.holder:
            term.until_s = self.now_s + TERM_S
        if term is not None and term.until_s > self.now_s:
            return
        there = [name for name, end in self.ends.items() if end.there(self.now_s)]
        if not there:
            return
        holder = self.chance.choice(there)
        state = self.stored
        if state is not None:
            state = replace(state, stamp_s=state.stamp_s + LEASE_S)
        self.terms += 1
        governor = Governor(self.policy, self.now_s, state=state, lost_s=SAVE_S)
        awaited = {name for name, end in self.ends.items() if not end.given_up} - {holder}
        pacer = Pacer(governor, self.now_s, first=self.terms * 1_000_000, standing=self.quick)
        self.term = Term(self.terms, holder, pacer, awaited, self.now_s + TERM_S)
        if state is not None and state.promises is not None:
            self.term.former = {promise.worker: promise.most for promise in state.promises}

    def _wait_for_none(self) -> None:
        """Of who is quiet as much is under way as the former pacer has promised at most."""
        term = self.term
        for name in sorted(term.awaited) if term is not None else ():
            end = self.ends[name]
            quiet = end.cut_until_s > self.now_s and end.cut_s + QUIET_S <= self.now_s
            if term is not None and term.former is not None and quiet:
                until_s = self.now_s + LEASE_S + TIMEOUT_S
                term.pacer.reserve(name, most_held(term.former, name), until_s)
                term.awaited.discard(name)
                self.passed_over += 1

    def _learn(self, name: str, end: End) -> None:
        """Who paces now: to a new one everything is told anew."""
        term = self.term
        if term is not None and term.holder and end.term != term.number:
            end.term = term.number
            end.leases.new_pacer()
            self._say(name, term.holder, {"i": [*end.leases.under_way]})

    # -- words -----------------------------------------------------------------------

    def _say(self, sender: str, to: str, word: dict[str, Any]) -> None:
        """Later, in order, and at times twice."""
        number = self.ends[sender].term if "g" not in word else self.terms
        way = sender, to
        due_s = self.now_s
        if sender != to:
            due_s += self.chance.uniform(0.0, self.slow_s)
        due_s = self.latest[way] = max(due_s, self.latest.get(way, 0.0))
        # What was answered again and again is told once: it has no number of its own.
        twice = not word.get("again") and self.chance.random() < 0.1
        for _ in range(2 if twice else 1):
            self.words.append((due_s, sender, to, number, word))

    def _deliver(self) -> None:
        due = [word for word in self.words if word[0] <= self.now_s]
        self.words = [word for word in self.words if word[0] > self.now_s]
        for _, sender, to, number, word in due:
            if not self.ends[to].there(self.now_s):
                continue
            term = self.term
            if "g" in word:
                if self.ends[to].term == number:
                    for grant in word["g"]:
                        self.ends[to].leases.granted(grant)
            elif term is not None and (term.holder, term.number) == (to, number):
                self._heard(term, sender, word)

    def _heard(self, term: Term, sender: str, word: dict[str, Any]) -> None:
        pacer = term.pacer
        if "i" in word:
            pacer.only(sender, word["i"])
            pacer.under_way(word["i"], self.now_s + TIMEOUT_S + LEASE_S, sender)
            term.awaited.discard(sender)
            return
        wants, used, unused, done = word["news"]
        for grant, sent_s, at_s in word["again"]:
            self.stood += 1
            pacer.again(grant, sent_s, at_s)
        for grant, at_s in used:
            pacer.used(grant, at_s)
        for grant in unused:
            pacer.unused(grant, self.now_s)
        for grant, at_s, outcome, record in done:
            sent = word["last"].get(grant)
            pacer.done(grant, at_s, outcome, record, sent_s=sent)
        for run, kind, count in wants:
            pacer.wanted(sender, run, kind, count, seen=word["seen"])

    # -- work ------------------------------------------------------------------------

    def _work(self, name: str, end: End) -> None:
        governor = end.leases.governor(RUN)
        for held in [h for h in end.held if h[1] <= self.now_s]:
            end.held.remove(held)
            permit, _, outcome = held
            if outcome is not LIVE:
                end.again += 1
            governor.settle(permit, self.now_s, outcome)
        for retry in (True, False):
            while end.again if retry else end.fresh:
                waiting = end.again + end.fresh
                permit = governor.admit(self.now_s, pending=waiting, retry=retry)
                if not isinstance(permit, Permit):
                    break
                end.again -= retry
                end.fresh -= not retry
                self.sent.append(self.now_s)
                rarely = not self.quick or self.chance.random() < 0.01
                outcome = self.chance.choice(OUTCOMES) if rarely else LIVE
                took_s = 0.01 if self.quick else self.chance.uniform(0.02, 0.5)
                over_s = self.now_s + took_s
                end.held.append((permit, over_s, outcome))
        self.peak = max(self.peak, sum(len(e.held) for e in self.ends.values()))
        end.leases.sweep(self.now_s)
        if end.there(self.now_s):
            self._learn(name, end)
            if end.term and self.term is not None and self.term.holder:
                leases = end.leases
                news = leases.take_news()
                again, leases.again = leases.again, []
                last, leases.last_sent_s = leases.last_sent_s, {}
                if any(news) or again:
                    word = {"news": news, "again": again, "last": last, "seen": leases.seen}
                    self._say(name, self.term.holder, word)

    def _pace(self) -> None:
        term = self.term
        if term is None or not term.holder or term.awaited:
            return
        grants = term.pacer.grants(self.now_s, term.until_s - 0.1)
        changes = term.pacer.changes
        within = not grants or kept(term.promises, term.pacer.held)
        if changes != term.saved_changes or self.now_s - term.saved_s >= SAVE_S or not within:
            self.stored = term.pacer.state(self.now_s)
            term.promises = {one.worker: one.most for one in self.stored.promises or ()}
            term.saved_s, term.saved_changes = self.now_s, changes
        for worker in dict.fromkeys(grant.worker for grant in grants):
            mine = [grant for grant in grants if grant.worker == worker]
            self._say(term.holder, worker, {"g": mine})


def broken(sent: list[float], quota: Quota) -> bool:
    """Whether any window holds more than it may."""
    recent: deque[float] = deque()
    for at in sorted(sent):
        recent.append(at)
        while recent[0] <= at - quota.span_s:
            recent.popleft()
        if len(recent) > quota.allowance:
            return True
    return False


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    workers=st.sampled_from([1, 2, 4, 8]),
    slow_s=st.sampled_from([0.0, 0.01, 0.1, 1.0]),
    most=st.sampled_from([1, 2, 7, 20]),
    adaptive=st.booleans(),
    quota=st.sampled_from([("7/s",), ("3/s", "20/10s"), ("0.9/s",), ()]),
    cuts=st.integers(0, 4),
    deaths=st.integers(0, 3),
)
def test_whatever_fails_the_limits_hold_and_the_work_gets_done(
    seed: int,
    workers: int,
    slow_s: float,
    most: int,
    adaptive: bool,
    quota: tuple[str, ...],
    cuts: int,
    deaths: int,
) -> None:
    """No window is exceeded, no more than the limit is in flight, and it comes to an end."""
    quotas = tuple(Quota.parse(text) for text in quota)
    policy = Policy(quotas=quotas, max_in_flight=most, adaptive=adaptive, timeout_s=TIMEOUT_S)
    world = World(random.Random(seed), policy, slow_s, 32, workers)
    world.run(cuts, deaths)
    assert not any(broken(world.sent, quota) for quota in quotas)
    assert world.peak <= most


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    workers=st.sampled_from([1, 3]),
    slow_s=st.sampled_from([0.0, 0.01, 0.1]),
    most=st.sampled_from([2, 5]),
    cuts=st.integers(0, 3),
    deaths=st.integers(0, 2),
)
def test_grants_that_stand_hold_the_limit(
    seed: int, workers: int, slow_s: float, most: int, cuts: int, deaths: int
) -> None:
    """A provider that answers in milliseconds; whatever fails, there is one end to it."""
    policy = Policy(max_in_flight=most, adaptive=True, timeout_s=TIMEOUT_S)
    world = World(random.Random(seed), policy, slow_s, 300, workers, quick=True)
    world.run(cuts, deaths)
    assert world.peak <= most


def test_some_are_not_waited_for() -> None:
    """The law above is not about nothing."""
    policy = Policy(max_in_flight=7, adaptive=False, timeout_s=TIMEOUT_S)
    passed_over = 0
    for seed in range(12):
        world = World(random.Random(seed), policy, 0.01, 64, 4)
        world.run(4, 3)
        assert world.peak <= 7
        passed_over += world.passed_over
    assert passed_over > 0


def test_grants_do_stand() -> None:
    """The law above is not about nothing."""
    policy = Policy(max_in_flight=2, adaptive=True, timeout_s=TIMEOUT_S)
    world = World(random.Random(1), policy, 0.01, 600, 2, quick=True)
    world.run(0, 0)
    assert world.stood > 20
