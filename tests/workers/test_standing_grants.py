"""A grant that stands: one request after another, told of together, never two at a time."""

from __future__ import annotations

from ventil.adapters.pacing_words import grants_from, grants_word, news_from, news_words
from ventil.core.exchange import Outcome, RateHint, Verdict
from ventil.core.governor import Governor, Policy, Quota
from ventil.core.lease import Leases
from ventil.core.pacer import STANDING_S, Grant, Pacer
from ventil.core.permit import Permit, Wait
from ventil.sim.lab.provider import Provider, Service
from ventil.sim.lab.race import Scenario
from ventil.sim.lab.workers import Workers, run

LIVE = Outcome(Verdict.LIVE)
FRESH = (1, False)


class Pair:
    """A pacer that has seen a fast provider, and a worker whose line is never empty."""

    def __init__(self, policy: Policy, *, answer_s: float = 0.001) -> None:
        governor = Governor(policy, 0.0)
        self.now_s = 0.0
        while governor.condition(self.now_s).limit and self.now_s < 5.0:
            permits = []
            while isinstance(permit := governor.admit(self.now_s, pending=100), Permit):
                permits.append(permit)
            self.now_s += answer_s
            for one in permits:
                governor.settle(one, self.now_s, LIVE)
            self.now_s += 0.02
        self.governor = governor
        self.pacer = Pacer(governor, self.now_s, standing=True)
        self.news = 0
        self.leases = Leases(self._count, lambda: None)
        self.waiting = {FRESH: 100}
        self.leases.count_by("run", lambda: self.waiting)
        self.worker = self.leases.governor("run")

    def _count(self) -> None:
        self.news += 1

    def talk(self) -> list[Grant]:
        """What the worker tells, and what it is granted."""
        for word in news_words(self.leases):
            news_from(word, self.pacer, "w", self.now_s)
        made = self.pacer.grants(self.now_s)
        self.leases.cut(self.pacer.take_cuts().get("w", ()))
        for word in grants_word(made):
            for grant in grants_from(word, "w"):
                self.leases.granted(grant)
        return made

    def send(self) -> Permit:
        """A permit from the stock."""
        permit = self.worker.admit(self.now_s, pending=100)
        assert isinstance(permit, Permit)
        return permit


FREE = Policy(max_in_flight=2, adaptive=True, timeout_s=5.0)


def test_one_request_after_another_goes_on_it() -> None:
    """The pacer learns of all of them, though it is told once."""
    pair = Pair(FREE)
    pair.worker.admit(pair.now_s, pending=100)
    made = pair.talk()
    assert [grant.standing for grant in made] == [True, True]
    before = sum(pair.governor.condition(pair.now_s).verdicts.values())
    pair.news = 0
    for _ in range(50):
        permits = [pair.send(), pair.send()]
        assert isinstance(pair.worker.admit(pair.now_s, pending=100), Wait)  # two at most
        pair.now_s += 0.001
        for permit in permits:
            pair.worker.settle(permit, pair.now_s, LIVE)
    assert pair.news == 0  # nothing that was in a hurry
    assert pair.talk() == []  # the slots are still the worker's
    assert sum(pair.governor.condition(pair.now_s).verdicts.values()) - before == 100
    assert pair.governor.in_flight == 2


def test_it_stands_below_the_ceiling_too() -> None:
    """The limit is still looking for the provider's queue, and is held all the same."""
    pair = Pair(Policy(max_in_flight=50, adaptive=True, timeout_s=5.0))
    limit = pair.governor.limit
    assert limit < 50
    pair.worker.admit(pair.now_s, pending=100)
    assert [grant.standing for grant in pair.talk()] == [True] * limit


def test_it_is_cut_when_the_limit_falls() -> None:
    """By the first words after that; the limit holds as soon as these are heard."""
    pair = Pair(Policy(max_in_flight=9, adaptive=True, timeout_s=5.0))
    pair.worker.admit(pair.now_s, pending=100)
    limit = len(pair.talk())
    assert limit >= 3
    permits = [pair.send() for _ in range(limit)]
    pair.now_s += 0.001
    for permit in permits:
        pair.worker.settle(permit, pair.now_s, LIVE)
    permits = [pair.send() for _ in range(limit)]
    pair.governor.parts.limit.lower(pair.now_s, 2.0, 9.0)
    pair.talk()
    pair.now_s += 0.001
    for permit in permits:
        pair.worker.settle(permit, pair.now_s, LIVE)
    permits = []
    while isinstance(permit := pair.worker.admit(pair.now_s, pending=100), Permit):
        permits.append(permit)
    assert len(permits) == 2
    pair.talk()
    assert pair.governor.in_flight == 2


def test_a_grant_in_stock_is_cut_too() -> None:
    """It is given back, and what it was for is wanted again."""
    pair = Pair(FREE)
    pair.worker.admit(pair.now_s, pending=100)
    first, second = pair.talk()
    pair.leases.cut([first.number, second.number, 77])
    assert isinstance(pair.worker.admit(pair.now_s, pending=100), Wait)
    assert len(pair.talk()) == 2
    assert pair.governor.in_flight == 2


def test_a_failure_cuts_the_others() -> None:
    """What else objects than the limit is heard of at once, not within half a second."""
    pair = Pair(FREE)
    pair.worker.admit(pair.now_s, pending=100)
    pair.talk()
    failed, other = pair.send(), pair.send()
    pair.now_s += 0.001
    pair.worker.settle(failed, pair.now_s, Outcome(Verdict.THROTTLED, retry_after_s=5.0))
    assert pair.talk() == []
    pair.worker.settle(other, pair.now_s, LIVE)
    assert isinstance(pair.worker.admit(pair.now_s, pending=100), Wait)


def test_what_went_out_before_a_step_was_heard_of_is_not_measured() -> None:
    """Under another limit it was, which its time would be taken to tell of."""
    pair = Pair(Policy(max_in_flight=9, adaptive=True, timeout_s=5.0))
    pair.worker.admit(pair.now_s, pending=100)
    pair.talk()
    permits = [pair.send() for _ in range(3)]
    pair.now_s += 0.001
    for permit in permits:
        pair.worker.settle(permit, pair.now_s, LIVE)
    permits = [pair.send() for _ in range(3)]
    pair.governor.parts.limit.lower(pair.now_s, 3.0, 9.0)
    pair.talk()
    under_way = [p for p in pair.governor.parts.open.values() if p.sent_s > pair.now_s - 0.1]
    assert under_way
    assert not any(p.cohort is not None and not p.cohort.closed for p in under_way)


def test_a_fixed_limit_lets_grants_stand() -> None:
    """One at a time, say: the slot is its holder's while nobody else waits."""
    for most in (1, 3):
        pair = Pair(Policy(max_in_flight=most, adaptive=False, timeout_s=5.0))
        pair.worker.admit(pair.now_s, pending=100)
        assert [grant.standing for grant in pair.talk()] == [True] * most


def test_workers_find_a_quick_providers_limit_together() -> None:
    """Told of together, answers teach as much: near the oracle, with few requests too many."""
    quick = Provider(
        servers=10, service=Service(median_s=0.004, sigma=0.4), queue_limit=20, rtt_s=0.001
    )
    scenario = Scenario("F", "10 servers, 4 ms", quick, 10_000)
    result = run(scenario, Workers(4), seed=1)
    assert result.finished
    assert result.ratio < 1.15
    assert result.waste < 0.005


def test_it_ends_in_time() -> None:
    """And the slots go back, whether it was in use or in stock."""
    pair = Pair(FREE)
    pair.worker.admit(pair.now_s, pending=100)
    pair.talk()
    permit = pair.send()
    pair.now_s += STANDING_S
    pair.worker.settle(permit, pair.now_s, LIVE)
    assert isinstance(pair.worker.admit(pair.now_s, pending=100), Wait)
    assert len(pair.talk()) == 2
    assert pair.governor.in_flight == 2


def test_an_answer_that_is_not_plain_ends_it() -> None:
    """A failure, a throttle, a header field about limits: the pacer decides what is next."""
    for outcome in (
        Outcome(Verdict.OVERLOADED, detail="503"),
        Outcome(Verdict.THROTTLED, retry_after_s=1.0),
        Outcome(Verdict.LIVE, None, (RateHint(5.0, 60.0, 100.0),), ""),
    ):
        pair = Pair(FREE)
        pair.worker.admit(pair.now_s, pending=100)
        pair.talk()
        permit, other = pair.send(), pair.send()
        pair.now_s += 0.001
        pair.worker.settle(permit, pair.now_s, outcome)
        assert pair.news
        assert isinstance(pair.worker.admit(pair.now_s, pending=100), Wait)
        pair.worker.settle(other, pair.now_s, LIVE)
        for word in news_words(pair.leases):
            news_from(word, pair.pacer, "w", pair.now_s)
        assert not any(grant.standing for grant in pair.pacer.grants(pair.now_s))


def test_nobody_else_is_kept_waiting() -> None:
    """Where a second run waits, or nothing more waits, no grant stands."""
    pair = Pair(FREE)
    pair.pacer.wanted("v", "other", FRESH, 5)
    pair.worker.admit(pair.now_s, pending=100)
    assert not any(grant.standing for grant in pair.talk())
    pair = Pair(FREE)
    pair.worker.admit(pair.now_s, pending=100)
    pair.talk()
    permit = pair.send()
    pair.waiting = {}
    pair.worker.settle(permit, pair.now_s + 0.001, LIVE)
    assert pair.leases.take_news()[3]  # told as over, at once


def test_none_stands_where_more_binds() -> None:
    """A stated quota, or a provider that is slow enough for the way there not to matter."""
    for policy, answer_s in (
        (Policy(quotas=(Quota.parse("1000/s"),), max_in_flight=2, timeout_s=5.0), 0.001),
        (FREE, 0.2),
    ):
        pair = Pair(policy, answer_s=answer_s)
        pair.worker.admit(pair.now_s, pending=100)
        made = pair.talk()
        assert made
        assert not any(grant.standing for grant in made)


def test_a_new_pacer_ends_all() -> None:
    """What stood is over with the request under way."""
    pair = Pair(FREE)
    pair.worker.admit(pair.now_s, pending=100)
    pair.talk()
    permit = pair.send()
    pair.leases.new_pacer()
    pair.worker.settle(permit, pair.now_s + 0.001, LIVE)
    assert pair.leases.again == []
    assert isinstance(pair.worker.admit(pair.now_s + 0.001, pending=100), Wait)
