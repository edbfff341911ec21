"""One pacer for many workers: whatever is late, lost or killed, every limit holds."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.adapters.pacing_words import news_from, news_words
from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, Policy, Quota
from ventil.core.lease import Leases
from ventil.core.pacer import LEASE_S, Grant, Pacer
from ventil.core.permit import Permit, Wait
from ventil.core.policy import Reason

LIVE = Outcome(Verdict.LIVE)


def pacer_of(*quotas: str, most: int = 100, adaptive: bool = False) -> Pacer:
    """A pacer whose provider has these quotas."""
    policy = Policy(
        quotas=tuple(Quota.parse(text) for text in quotas),
        max_in_flight=most,
        adaptive=adaptive,
        timeout_s=5.0,
    )
    return Pacer(Governor(policy, 0.0), 0.0)


def runs_of(grants: list[Grant]) -> str:
    """The runs of grants, in their order."""
    return "".join(grant.run for grant in grants)


# -- grants ------------------------------------------------------------------------------


def test_a_grant_counts_from_its_making_to_its_use() -> None:
    """Not used yet, it may be used at any moment; told as used, a window is about that."""
    pacer = pacer_of("2/10s")
    pacer.wanted("w", "a", (1, False), 3)
    first, second = pacer.grants(0.0)
    assert pacer.wait is not None
    assert pacer.wait.until_s is None  # only a worker's word can change it
    pacer.used(first.number, 0.5)
    pacer.used(second.number, 0.9)
    assert pacer.grants(1.0) == []
    assert pacer.wait.until_s == pytest.approx(10.6)  # a window after the first use
    assert pacer.next_s() == pytest.approx(10.6)
    [third] = pacer.grants(10.6)
    assert third.use_by_s == pytest.approx(10.6 + LEASE_S)


def test_what_is_given_back_costs_no_quota_of_the_workers() -> None:
    """Neither the slot nor the window remembers a grant that was never used."""
    pacer = pacer_of(most=1)
    pacer.wanted("w", "a", (1, False), 2)
    [grant] = pacer.grants(0.0)
    assert pacer.grants(0.1) == []
    pacer.unused(grant.number, 0.2)
    assert len(pacer.grants(0.2)) == 1


def test_runs_take_turns() -> None:
    """A small run beside a large one gets its half, whoever works on them."""
    pacer = pacer_of(most=6)
    pacer.wanted("w", "a", (1, False), 100)
    pacer.wanted("v", "a", (1, False), 100)
    pacer.wanted("w", "b", (1, False), 3)
    grants = pacer.grants(0.0)
    assert runs_of(grants) == "ababab"
    assert {grant.worker for grant in grants if grant.run == "a"} == {"v", "w"}


def test_heavy_requests_are_no_larger_share() -> None:
    """Runs share by weight: who sends requests of five gets one where others get five."""
    pacer = pacer_of(most=24)
    pacer.wanted("w", "a", (5, False), 100)
    pacer.wanted("w", "b", (1, False), 100)
    grants = pacer.grants(0.0)
    assert runs_of(grants).count("a") == 4
    assert runs_of(grants).count("b") == 20


def test_who_wanted_nothing_has_no_credit() -> None:
    """A run that comes late, or again, shares from then on; it is not made up for."""
    pacer = pacer_of(most=30)
    pacer.wanted("w", "a", (1, False), 10)
    assert len(pacer.grants(0.0)) == 10
    pacer.wanted("w", "a", (1, False), 100)
    pacer.wanted("w", "b", (1, False), 100)
    grants = pacer.grants(0.0)
    assert runs_of(grants).count("b") in (10, 11)


def test_a_person_goes_first() -> None:
    """Three permits of four; the fourth goes to the others, which share it evenly."""
    pacer = pacer_of(most=16)
    for run in "abu":
        pacer.wanted("w", run, (1, False), 100)
    pacer.urgent("u")
    grants = runs_of(pacer.grants(0.0))
    assert grants.count("u") == 12
    assert (grants.count("a"), grants.count("b")) == (2, 2)
    assert grants.startswith("uuu")


def test_what_is_over_is_forgotten() -> None:
    """However many runs there were, a pacer remembers those that want something."""
    pacer = pacer_of(most=10_000)
    for number in range(1000):
        run = f"r{number}"
        pacer.urgent(run)
        pacer.wanted("w", run, (1, False), 1)
        [grant] = pacer.grants(0.0)
        pacer.done(grant.number, 0.0, LIVE, None)
        pacer.wanted("w", run, (1, False), 1)
        pacer.wanted("w", run, (1, False), 0, seen=grant.number)
    assert not pacer.waiting
    assert not pacer._turns._urgent
    assert len(pacer._turns._paid) < 100


def test_retries_hold_up_nobody() -> None:
    """When the retry budget is spent, first tries go on."""
    pacer = pacer_of(most=8)
    pacer.wanted("w", "a", (1, True), 10)
    pacer.wanted("w", "b", (1, False), 10)
    kinds = [grant.retry for grant in pacer.grants(0.0)]
    assert kinds.count(True) == 2  # a quarter
    assert kinds.count(False) == 6


def test_wants_and_grants_that_cross() -> None:
    """A worker that says what it wants before it heard of a grant is not granted twice."""
    pacer = pacer_of(most=10)
    pacer.wanted("w", "a", (1, False), 1)
    [grant] = pacer.grants(0.0)
    pacer.wanted("w", "a", (1, False), 1, seen=0)
    assert pacer.grants(0.0) == []
    pacer.wanted("w", "a", (1, False), 1, seen=grant.number)
    assert len(pacer.grants(0.0)) == 1


def test_the_gone_free_their_slots_when_their_requests_are_over() -> None:
    """Not before; and an unused grant counts as used at its end."""
    pacer = pacer_of("2/100s", most=2)
    pacer.wanted("w", "a", (1, False), 2)
    assert len(pacer.grants(0.0)) == 2
    pacer.wanted("v", "a", (1, False), 1)
    pacer.gone("w", over_s=7.0)
    assert pacer.grants(6.9) == []
    assert pacer.next_s() == 7.0
    assert pacer.grants(7.0) == []
    assert pacer.wait is not None
    assert pacer.wait.reason is Reason.QUOTA
    assert len(pacer.grants(102.1)) == 1


def test_requests_of_a_former_pacer_hold_slots() -> None:
    """Until their worker says that they are over, or they surely are."""
    pacer = pacer_of(most=2)
    pacer.under_way([101, 102], until_s=9.0)
    pacer.wanted("w", "a", (1, False), 3)
    assert pacer.grants(0.0) == []
    pacer.done(101, 0.5, LIVE, "x")
    assert len(pacer.grants(0.5)) == 1
    assert pacer.grants(8.9) == []
    assert len(pacer.grants(9.0)) == 1


def test_slots_that_nobody_tells_of_are_taken() -> None:
    """A former pacer may have died with requests in flight; the provider works on them."""
    pacer = pacer_of(most=3)
    pacer.under_way([101], until_s=9.0)
    pacer.unheard(0.0, 2.0)
    pacer.wanted("w", "a", (1, False), 9)
    assert pacer.grants(1.9) == []
    assert pacer.wait is not None
    assert pacer.wait.until_s == 2.0
    pacer.done(101, 1.9, LIVE, "x")
    assert len(pacer.grants(1.9)) == 1
    assert len(pacer.grants(2.0)) == 2


def test_how_long_the_requests_of_the_dead_last() -> None:
    """As long as answers took lately, and some more; the timeout, when there were none."""
    pacer = pacer_of()
    assert pacer.longest_s(30.0) == 30.0
    pacer.slowest_before_s = 1.0
    assert pacer.longest_s(30.0) == pytest.approx(2.2)
    pacer.wanted("w", "a", (1, False), 1)
    [grant] = pacer.grants(0.0)
    pacer.used(grant.number, 0.0)
    pacer.done(grant.number, 0.4, LIVE, "x")
    assert pacer.longest_s(30.0) == pytest.approx(1.0)
    assert pacer.state(0.5).slowest_s == 0.4


def test_an_outage_is_one_outage() -> None:
    """Failures at several workers open one breaker; then one probe goes for all of them."""
    pacer = pacer_of(most=10)
    for worker in "vw":
        pacer.wanted(worker, "a", (1, False), 5)
    for number, grant in enumerate(pacer.grants(0.0)):
        pacer.used(grant.number, 0.0)
        pacer.done(grant.number, 0.1, Outcome(Verdict.OVERLOADED, detail="503"), f"r{number}")
    assert pacer.breaker(0.1) == "open"
    for worker in "vw":
        pacer.wanted(worker, "a", (1, False), 5)
    sent = 0
    for tick in range(20):
        sent += len(pacer.grants(0.1 + tick / 10))
    assert sent == 1


def test_a_backlog_is_no_stampede() -> None:
    """A million requests wait at four workers while the provider is down: few probes go out;
    when it is back the pace grows from the governor's first steps, never above the limit."""
    policy = Policy(max_in_flight=100, timeout_s=5.0)
    pacer = Pacer(Governor(policy, 0.0), 0.0)
    flying: list[tuple[float, Grant, Verdict]] = []
    sent: list[tuple[float, int]] = []  # when, and how many were in flight then
    chance = random.Random(1)
    tick_s, answer_s = 0.05, 0.2
    for tick in range(int(600 / tick_s)):
        now_s = tick * tick_s
        if tick % 20 == 0:
            for worker in "uvwx":
                pacer.wanted(worker, "a", (1, False), 250_000, seen=10**9)
        for item in [item for item in flying if item[0] <= now_s]:
            flying.remove(item)
            pacer.done(item[1].number, now_s, Outcome(item[2], detail="503"), item[1].number)
        down = 120 <= now_s < 420
        for grant in pacer.grants(now_s):
            pacer.used(grant.number, now_s)
            verdict = Verdict.OVERLOADED if down else Verdict.LIVE
            flying.append((now_s + answer_s * chance.uniform(0.8, 1.2), grant, verdict))
            sent.append((now_s, len(flying)))
        assert len(flying) <= 100
    before = max(flight for at, flight in sent if 100 <= at < 120)
    during = [at for at, _ in sent if 120.5 <= at < 420]
    back_s = next(at for at, _ in sent if at >= 420)
    assert before == 100  # it had found the ceiling
    assert len(during) <= 25
    assert back_s <= 420 + 31  # probes are half a minute apart at most
    first = max(flight for at, flight in sent if back_s <= at < back_s + 2 * answer_s)
    assert first <= before / 4 + 1
    assert max(flight for at, flight in sent if at > 500) == 100


# -- the worker's end --------------------------------------------------------------------


def test_a_worker_sends_on_a_grant_and_tells() -> None:
    """It wants what waits, uses what came, and tells use and outcome."""
    leases = Leases()
    governor = leases.governor("a")
    assert isinstance(governor.admit(0.0, pending=3), Wait)
    wants, *_ = leases.take_news()
    assert wants == [("a", (1, False), 3)]
    leases.granted(Grant(7, "w", "a", 1, False, use_by_s=1.0))
    permit = governor.admit(0.5, pending=3, record="x")
    assert isinstance(permit, Permit)
    wants, used, unused, done = leases.take_news()
    assert (wants, used, unused, done) == ([], [(7, 0.5)], [], [])  # it knows: two are left
    assert leases.under_way == {7: 0.5}
    governor.settle(permit, 0.9, LIVE)
    governor.settle(permit, 0.9, LIVE)
    assert leases.take_news()[3] == [(7, 0.9, LIVE, "x")]
    assert leases.under_way == {}


def test_an_old_grant_is_not_used() -> None:
    """A worker that hears of it late, or slept, gives it back."""
    leases = Leases()
    governor = leases.governor("a")
    governor.admit(0.0)
    leases.granted(Grant(7, "w", "a", 1, False, use_by_s=1.0))
    assert isinstance(governor.admit(0.99), Wait)
    assert leases.take_news()[2] == [7]
    leases.granted(Grant(8, "w", "a", 1, False, use_by_s=2.0))
    leases.sweep(2.0)
    wants, _, unused, _ = leases.take_news()
    assert unused == [8]
    assert wants == []


def test_a_new_pacer_is_told_everything() -> None:
    """What waits is wanted anew, what was granted by the old one is void."""
    leases = Leases()
    governor = leases.governor("a")
    governor.admit(0.0, pending=2)
    leases.take_news()
    leases.granted(Grant(7, "w", "a", 1, False, use_by_s=1.0))
    leases.new_pacer()
    assert isinstance(governor.admit(0.1, pending=2), Wait)
    assert leases.take_news()[0] == [("a", (1, False), 2)]


def test_the_pacer_hears_who_is_urgent() -> None:
    """With what is wanted, in the words that go through the database."""
    leases = Leases()
    leases.governor("u", urgent=True).admit(0.0, pending=9)
    leases.governor("a").admit(0.0, pending=9)
    pacer = pacer_of(most=4)
    for word in news_words(leases):
        news_from(word, pacer, "w", 0.0)
    assert runs_of(pacer.grants(0.0)) == "uuua"


def test_a_finished_run_wants_nothing() -> None:
    """And its grants go back."""
    leases = Leases()
    leases.governor("a").admit(0.0, pending=2)
    leases.take_news()
    leases.granted(Grant(7, "w", "a", 1, False, use_by_s=1.0))
    leases.finished("a")
    wants, _, unused, _ = leases.take_news()
    assert (wants, unused) == ([("a", (1, False), 0)], [7])


# -- all of it ---------------------------------------------------------------------------


@dataclass
class World:
    """Workers and a pacer with messages that take up to *slow_s* each way; some die."""

    random: random.Random
    slow_s: float
    most: int
    quotas: tuple[Quota, ...]
    now_s: float = 0.0
    tick_s: float = 0.02
    sent: list[float] = field(default_factory=list)
    flying: dict[tuple[str, int], float] = field(default_factory=dict)
    peak: int = 0

    def run(self, *, workers: int, records: int, deaths: bool) -> None:
        """Send *records* requests, each worker as many as it gets."""
        policy = Policy(
            quotas=self.quotas, max_in_flight=self.most, adaptive=False, timeout_s=2.0
        )
        pacer = Pacer(Governor(policy, 0.0), 0.0)
        names = [f"w{n}" for n in range(workers)]
        ends = {name: Leases() for name in names}
        todo = dict.fromkeys(names, records // workers)
        held: dict[str, list[tuple[Permit, float]]] = {name: [] for name in names}
        up: list[tuple[float, str, object]] = []
        down: list[tuple[float, str, Grant]] = []
        last: dict[str, float] = {}
        fate = {n: self.random.uniform(0.5, 5.0) for n in names[1:] if deaths}

        def later(to: str) -> float:  # in order, as on one connection
            at = max(self.now_s + self.random.uniform(0, self.slow_s), last.get(to, 0.0))
            last[to] = at
            return at

        while any(todo[n] or held[n] for n in names if n in ends):
            self.now_s += self.tick_s
            assert self.now_s < 600
            for name in [n for n, at in fate.items() if n in ends and at <= self.now_s]:
                del ends[name]
                # What a dead process had in flight lasts as long as any answer may.
                over = self.now_s + 2.0
                pacer.gone(name, over_s=over)
                self.flying.update({(name, p.number): over for p, _ in held[name]})
            for due, name, news in [m for m in up if m[0] <= self.now_s]:
                if name in ends:
                    wants, used, unused, done = news  # type: ignore[misc]
                    for number, at in used:
                        pacer.used(number, at)
                    for number in unused:
                        pacer.unused(number, self.now_s)
                    for number, at, outcome, record in done:
                        pacer.done(number, at, outcome, record)
                    for run, kind, count in wants:
                        pacer.wanted(name, run, kind, count, seen=ends[name].seen)
                assert due
            up = [m for m in up if m[0] > self.now_s]
            for grant in pacer.grants(self.now_s):
                down.append((later(grant.worker), grant.worker, grant))
            for _, name, grant in [m for m in down if m[0] <= self.now_s]:
                if name in ends:
                    ends[name].granted(grant)
            down = [m for m in down if m[0] > self.now_s]
            self.flying = {k: at for k, at in self.flying.items() if at > self.now_s}
            for name, leases in ends.items():
                governor = leases.governor("run")
                for pair in [p for p in held[name] if p[1] <= self.now_s]:
                    held[name].remove(pair)
                    self.flying.pop((name, pair[0].number), None)
                    governor.settle(pair[0], self.now_s, LIVE)
                while todo[name]:
                    permit = governor.admit(self.now_s, pending=todo[name])
                    if isinstance(permit, Wait):
                        break
                    todo[name] -= 1
                    self.sent.append(self.now_s)
                    over = self.now_s + self.random.uniform(0.02, 0.5)
                    held[name].append((permit, over))
                    self.flying[name, permit.number] = over
                    self.peak = max(self.peak, len(self.flying))
                leases.sweep(self.now_s)
                news = leases.take_news()
                if any(news):
                    up.append((later(f"from {name}"), name, news))


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


@given(
    seed=st.integers(0, 2**32),
    workers=st.integers(1, 4),
    slow_s=st.sampled_from([0.0, 0.05, 0.4, 1.5]),
    most=st.integers(1, 12),
    quota=st.sampled_from([("7/s",), ("3/s", "20/10s"), ("0.9/s",), ()]),
    deaths=st.booleans(),
)
def test_no_limit_is_broken(
    seed: int, workers: int, slow_s: float, most: int, quota: tuple[str, ...], deaths: bool
) -> None:
    """With messages up to a second and a half late, and workers that die at any moment."""
    quotas = tuple(Quota.parse(text) for text in quota)
    world = World(random.Random(seed), slow_s, most, quotas)
    world.run(workers=workers, records=40, deaths=deaths)
    assert not any(broken(world.sent, quota) for quota in quotas)
    assert world.peak <= most


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_quota_is_used(workers: int) -> None:
    """With messages of some milliseconds 92 % of it, however many share it.

    Where answers take now 20 ms and now half a second, 5 % are the price of not knowing when
    their requests arrived; at first more, until that is known to be usual.
    """
    quota = Quota.parse("20/s")
    world = World(random.Random(1), 0.01, 50, (quota,), tick_s=0.005)
    world.run(workers=workers, records=840, deaths=False)
    assert not broken(world.sent, quota)
    later = [at_s for at_s in world.sent if 10.0 <= at_s < 40.0]
    assert len(later) / 30.0 >= 0.92 * 20


def test_who_stands_in_line_needs_a_pacer() -> None:
    """Also before there was ever one to tell it to."""
    leases = Leases()
    line: dict[tuple[int, bool], int] = {}
    leases.count_by("a", lambda: line)
    assert not leases.active
    line[1, False] = 2
    assert leases.active


def test_a_late_hour_that_the_pacer_names_is_passed_on() -> None:
    """So that the gate can judge whether anybody wants to wait so long."""
    leases = Leases()
    governor = leases.governor("a")
    leases.wait = Wait(900.0, Reason.COOLDOWN, "cooldown")
    decision = governor.admit(10.0)
    assert isinstance(decision, Wait)
    assert decision.until_s == 900.0
