"""What is known of when requests arrived, and the windows that are kept by it."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ventil.core.arrival import Arrival, Arrivals
from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, Permit, Policy, Reason, Wait
from ventil.core.quota import CREDIT_SHARE, GUARD_SHARE, LATE_SHARE, MARGIN_S, Quota, Window
from ventil.core.uses import Uses


def calm(arrivals: Arrivals, count: int = 50) -> None:
    """Answers that always took a tenth of a second."""
    for number in range(count):
        arrivals.answered("a", arrivals.sent("a", number, 1), number, number + 0.1)


def test_an_answer_tells_of_all_that_were_sent_before() -> None:
    """They had arrived when it had, at the latest; of other sources it says nothing."""
    arrivals = Arrivals()
    calm(arrivals)
    one = arrivals.sent("a", 100.0, 1)
    other = arrivals.sent("b", 100.0, 1)
    two = arrivals.sent("a", 100.2, 2)
    arrivals.sent("a", 100.2, 3)
    first, second = arrivals.answered("a", two, 100.2, 100.35)
    assert (first.sent_s, first.weight) == (100.0, 1)
    assert first.late_s == pytest.approx(0.25)
    assert (second.sent_s, second.weight) == (100.2, 2)
    assert second.late_s == pytest.approx(0.05)
    assert arrivals.answered("a", one, 100.0, 101.0) == []
    [third] = arrivals.answered("b", other, 100.0, 100.1)
    assert third.late_s == pytest.approx(0)


def test_what_varies_by_nature_costs_little() -> None:
    """Stalls are counted in full; answers that vary all the time for a small part."""
    window = Window(Quota.parse("100/s"))
    for number in range(500):
        window.take(float(number), 1)
        window.arrived(Arrival(float(number), 1, late_s=0.3))
    shifts = [at_s % 1.0 for at_s, _ in window.entries() if at_s >= 450.0]
    assert sum(shifts) / len(shifts) < LATE_SHARE + CREDIT_SHARE
    assert sorted(shifts)[len(shifts) // 2] < LATE_SHARE
    for number in range(501, 1000):
        window.take(float(number), 1)
        window.arrived(Arrival(float(number), 1, late_s=0.001))
    window.take(1000.0, 1)
    window.arrived(Arrival(1000.0, 1, late_s=0.3))
    [(at_s, _)] = [entry for entry in window.entries() if entry[0] >= 1000.0]
    assert at_s - 1000.0 > 0.29


def test_nothing_is_known_of_what_is_not_answered() -> None:
    """It has not left the window, unless answers usually take that long."""
    arrivals = Arrivals()
    calm(arrivals)
    ticket = arrivals.sent("a", 100.0, 3)
    assert arrivals.overdue(100.5, 1.0) == 0
    assert arrivals.overdue(101.5, 1.0) == 3
    [arrival] = arrivals.ended("a", ticket, 105.0)
    assert arrival.late_s == pytest.approx(4.9)
    assert arrivals.overdue(105.0, 1.0) == 0
    slow = Arrivals()
    slow.answered("a", slow.sent("a", 0.0, 1), 0.0, 5.0)
    slow.sent("a", 100.0, 3)
    assert slow.overdue(101.5, 1.0) == 0


def test_a_source_is_forgotten_with_its_last_request() -> None:
    """Nothing is kept of the many workers that were."""
    arrivals = Arrivals()
    for source in range(100):
        arrivals.ended(source, arrivals.sent(source, 0.0, 1), 1.0)
        arrivals.forget(source)
    assert arrivals._ways == {}


@pytest.mark.parametrize("text", ["3/10s", "1000/10s"])
def test_a_window_counts_what_came_late(text: str) -> None:
    """Where it belongs, even if it had left the window already; exact or in slices."""
    window = Window(Quota.parse(text))
    fill = window.allowance
    window.take(0.0, 1)
    window.take(5.0, fill - 1)
    assert window.free_from(5.0, 1) == pytest.approx(10.1)
    window.arrived(Arrival(0.0, 1, late_s=2.0))
    assert window.free_from(5.0, 1) == pytest.approx(12.0 + MARGIN_S)
    assert window.free(12.01) == 1
    window.arrived(Arrival(0.0, 1, late_s=5.0))
    assert window.free(12.01) == 0
    window.arrived(Arrival(5.0, 1, late_s=0.05))  # the guard is for that
    assert window.free(12.01) == 0


@dataclass
class Provider:
    """A way there that takes now more and now less, in order for each source; the same
    time of working for all. Stalls hold up everything."""

    rng: random.Random
    jitter_s: float
    stalls: list[tuple[float, float]]
    arrived: list[float] = field(default_factory=list)
    last: dict[int, float] = field(default_factory=lambda: defaultdict(float))

    def arrives(self, source: int, sent_s: float) -> float:
        """When a request is seen."""
        jitter_s = self.rng.random() * self.jitter_s if self.arrived else 0.0
        at_s = sent_s + 0.01 + jitter_s
        at_s = max(at_s, self.last[source])
        for from_s, until_s in self.stalls:
            if from_s <= at_s < until_s:
                at_s = until_s
        self.last[source] = at_s
        self.arrived.append(at_s)
        return at_s


def fullest(arrived: list[float], window_s: float) -> int:
    """The most that arrived in a window of so many seconds."""
    times = sorted(arrived)
    return max(
        n + 1 - bisect_left(times, at_s - window_s + 1e-9) for n, at_s in enumerate(times)
    )


def send(
    provider: Provider, quotas: list[Quota], *, sources: int, in_flight: int, end_s: float
) -> None:
    """Grants as fast as they are to be had, used a little later, told at once."""
    uses = Uses(quotas)
    answers: list[tuple[float, int]] = []
    now_s, number = 0.0, 0
    rng = provider.rng
    while now_s < end_s:
        while answers and answers[0][0] <= now_s:
            at_s, answered = heappop(answers)
            uses.answered(answered, at_s)
        free_s, _ = uses.free_from(now_s, 1)
        if free_s is not None and free_s <= now_s and len(answers) < in_flight:
            number += 1
            source = rng.randrange(sources)
            uses.grant(number, 1, now_s + 1.0, source)
            uses.used(number, now_s)
            heappush(answers, (provider.arrives(source, now_s) + 0.04, number))
            continue
        steps = [now_s + 0.01]
        if answers:
            steps.append(answers[0][0])
        if free_s is not None and free_s > now_s:
            steps.append(free_s)
        now_s = min(steps)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1_000_000),
    share=st.floats(0, LATE_SHARE),
    sources=st.integers(1, 4),
    texts=st.sampled_from([["20/s"], ["50/s", "300/7s"], ["10/500ms", "60/4s"], ["300/s"]]),
)
def test_jitter_breaks_no_window(
    seed: int, share: float, sources: int, texts: list[str]
) -> None:
    """As long as it stays below the share of the shortest window that is taken for it."""
    quotas = [Quota.parse(text) for text in texts]
    jitter_s = share * min(quota.window_s for quota in quotas)
    provider = Provider(random.Random(seed), jitter_s, [])
    send(provider, quotas, sources=sources, in_flight=30, end_s=10.0)
    for quota in quotas:
        assert fullest(provider.arrived, quota.window_s) <= quota.limit
    least = min(q.limit / q.window_s / (1 + LATE_SHARE + 0.02) for q in quotas)
    assert len(provider.arrived) >= 0.9 * least * 10.0


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1_000_000),
    from_s=st.floats(2.0, 8.0),
    share=st.floats(0.01, 0.9),
    sources=st.integers(1, 4),
    texts=st.sampled_from([["20/s"], ["50/s", "300/7s"], ["10/500ms", "60/4s"], ["300/s"]]),
)
def test_a_stall_breaks_no_window(
    seed: int, from_s: float, share: float, sources: int, texts: list[str]
) -> None:
    """All that had been sent arrives at its end, with what is sent then. As long as the
    credit for it lasts."""
    quotas = [Quota.parse(text) for text in texts]
    lasts_s = share * min(0.3 * q.limit * q.window_s / 5 for q in quotas)
    provider = Provider(random.Random(seed), 0.0, [(from_s, from_s + lasts_s)])
    send(provider, quotas, sources=sources, in_flight=5, end_s=12.0)
    for quota in quotas:
        assert fullest(provider.arrived, quota.window_s) <= quota.limit


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1_000_000),
    lasts_s=st.floats(0.02, 0.5),
    sources=st.integers(1, 4),
    texts=st.sampled_from([["20/s"], ["50/s", "300/7s"], ["60/4s"], ["300/s"]]),
)
def test_a_slow_beginning_breaks_no_window(
    seed: int, lasts_s: float, sources: int, texts: list[str]
) -> None:
    """Nobody knows then that the first answers were slow: there was no other yet."""
    quotas = [Quota.parse(text) for text in texts]
    provider = Provider(random.Random(seed), 0.0, [(0.0, lasts_s)])
    send(provider, quotas, sources=sources, in_flight=16, end_s=12.0)
    for quota in quotas:
        assert fullest(provider.arrived, quota.window_s) <= quota.limit


def test_first_answers_say_no_more_than_that_they_came() -> None:
    """For a second from the first of them; from then on the shortest time is known."""
    arrivals = Arrivals()
    for number, late_s in ((0, 0.1), (1, 0.1), (99, 0.1), (100, 0.0), (101, 0.0)):
        sent_s = number / 100
        ticket = arrivals.sent("a", sent_s, 1)
        [arrival] = arrivals.answered("a", ticket, sent_s, sent_s + 0.1)
        assert arrival.late_s == pytest.approx(late_s)


def send_alone(
    governor: Governor, answered_s: Callable[[float], float], *, end_s: float
) -> int:
    """One process, which sends as soon as it may; how many. What goes is answered then."""
    answers: list[tuple[float, int, Permit]] = []
    now_s, sent = 0.0, 0
    while now_s < end_s:
        while answers and answers[0][0] <= now_s:
            at_s, _, permit = heappop(answers)
            governor.settle(permit, at_s, Outcome(Verdict.LIVE))
        answer = governor.admit(now_s, pending=10_000)
        if isinstance(answer, Permit):
            sent += 1
            heappush(answers, (answered_s(now_s), sent, answer))
            continue
        steps = [at_s for at_s, *_ in answers[:1]]
        if answer.until_s is not None:
            steps.append(answer.until_s)
        assert steps, answer
        now_s = max(now_s, min(steps))
    return sent


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1_000_000),
    first_s=st.floats(0.0, 0.5),
    from_s=st.floats(2.0, 8.0),
    share=st.floats(0.01, 0.5),
    texts=st.sampled_from([["5/s"], ["20/s"], ["50/s", "300/7s"], ["60/4s"], ["300/s"]]),
)
def test_a_process_alone_counts_arrivals_too(
    seed: int, first_s: float, from_s: float, share: float, texts: list[str]
) -> None:
    """Connections that are opened first, and a stall in the middle, break no window."""
    quotas = tuple(Quota.parse(text) for text in texts)
    lasts_s = min(0.5, share * min(0.3 * q.limit * q.window_s / 8 for q in quotas))
    provider = Provider(random.Random(seed), 0.0, [(0.0, first_s), (from_s, from_s + lasts_s)])
    policy = Policy(quotas=quotas, max_in_flight=8, adaptive=False)
    governor = Governor(policy, 0.0, seed=seed)
    send_alone(governor, lambda now_s: provider.arrives(0, now_s) + 0.04, end_s=15.0)
    for quota in quotas:
        assert fullest(provider.arrived, quota.window_s) <= quota.limit
    least = min(q.limit / (q.window_s * (1 + GUARD_SHARE + 0.02)) for q in quotas)
    assert len(provider.arrived) >= 0.8 * min(least, 8 / 0.06) * 15.0


def calmed(policy: Policy) -> Governor:
    """One whose answers have always taken a tenth of a second, until 16 s."""
    governor = Governor(policy, 0.0)
    for n in range(8):
        permit = governor.admit(n * 2.0)
        assert isinstance(permit, Permit)
        governor.settle(permit, n * 2.0 + 0.1, Outcome(Verdict.LIVE))
    return governor


def test_an_answer_that_is_overdue_holds_its_place() -> None:
    """Until it is known when a request arrived it counts as just arriving; then it is over."""
    governor = calmed(Policy(quotas=(Quota(2, 1.0),), max_in_flight=4))
    first, second = governor.admit(20.0), governor.admit(20.0)
    assert isinstance(first, Permit)
    assert isinstance(second, Permit)
    wait = governor.admit(21.5)  # both would have left the window by now
    assert isinstance(wait, Wait)
    assert wait.reason is Reason.QUOTA
    governor.settle(second, 21.6, Outcome(Verdict.OVERLOADED))  # tells of itself alone
    assert isinstance(governor.admit(21.6), Wait)
    governor.settle(first, 21.6, Outcome(Verdict.LIVE))
    assert isinstance(governor.admit(21.7), Wait)  # both arrived just before they ended
    assert isinstance(governor.admit(22.7), Permit)


def test_when_all_is_overdue_one_more_asks() -> None:
    """Nothing else could belie it. Each time twice as late, until there is an answer."""
    governor = calmed(Policy(quotas=(Quota(1, 1.0),), max_in_flight=9, adaptive=False))
    sent_s = 20.0
    assert isinstance(governor.admit(sent_s), Permit)
    for wait_s in (2.0, 4.0, 8.0):
        wait = governor.admit(sent_s + 1.02)
        assert isinstance(wait, Wait)
        assert wait.until_s == pytest.approx(sent_s + wait_s * 1.01)
        sent_s = wait.until_s
        last = governor.admit(sent_s)
        assert isinstance(last, Permit)
    governor.settle(last, sent_s + 0.1, Outcome(Verdict.LIVE))  # so they all had arrived
    assert isinstance(governor.admit(sent_s + 1.01), Permit)


@pytest.mark.parametrize("text", ["0.45/s", "1/s", "2/s", "5/s", "20/s", "30/min"])
@pytest.mark.parametrize("slow", [0.0, 0.02, 0.1])
def test_answers_that_take_long_by_nature_cost_little(text: str, slow: float) -> None:
    """A few take seventy seconds, the others some milliseconds."""
    quota = Quota.parse(text)
    rng = random.Random(f"{text} {slow}")
    governor = Governor(Policy(quotas=(quota,), max_in_flight=200, adaptive=False), 0.0)
    sent = send_alone(
        governor,
        lambda now_s: now_s + (70.0 if rng.random() < slow else 0.005),
        end_s=1500 * quota.span_s / quota.allowance,
    )
    # One alone in its window is belied by a question only, which costs a window.
    worst = slow if quota.allowance == 1 else 0.0
    assert sent / 1500 >= 0.93 / (1 + 1.3 * worst)


def test_a_stall_of_many_windows_lets_some_questions_through() -> None:
    """All that is sent in it arrives at its end: a window, and one for each doubling."""
    quota = Quota.parse("20/s")
    provider = Provider(random.Random(1), 0.0, [(60.0, 90.0)])
    policy = Policy(quotas=(quota,), max_in_flight=100, adaptive=False)
    governor = Governor(policy, 0.0)
    send_alone(governor, lambda now_s: provider.arrives(0, now_s) + 0.04, end_s=120.0)
    assert fullest(provider.arrived, quota.window_s) <= quota.limit + 4
    before = [at_s for at_s in provider.arrived if at_s < 60.0]
    assert fullest(before, quota.window_s) <= quota.limit


def test_a_late_answer_never_moves_another_request() -> None:
    """What has left the window comes back; what was sent since stays where it is."""
    window = Window(Quota(5, 10.0))
    window.take(0.0, 1)
    assert window.free(11.0) == 5
    window.take(11.0, 1)
    window.arrived(Arrival(0.0, 1, late_s=10.9))
    assert window.free(11.0) == 3
    window.take(12.0, 1)
    assert window.free(21.05) == 3  # the first has left again
    window.arrived(Arrival(12.0, 1, late_s=8.0))
    assert window.free(21.2) == 4
    assert window.free(30.0) == 4
    assert window.free(30.2) == 5


def test_other_quotas_leave_those_that_stay_as_they_are() -> None:
    """With their logs, what has left these, and the credit."""
    uses = Uses([Quota(5, 10.0)])
    for number in range(1, 4):
        uses.sent(number, 1, 0.0)
    assert uses.free_from(11.0, 2)[0] == 11.0
    uses.change([Quota(5, 10.0), Quota(100, 60.0)], 11.0)
    uses.answered(3, 11.0)  # a stall is over: all three arrived by now, for all we know
    assert uses.free_from(11.0, 3)[0] == pytest.approx(21.0 + MARGIN_S)


def test_nothing_is_kept_of_a_source_that_is_quiet() -> None:
    """Workers come and go, and each has a name of its own."""
    arrivals = Arrivals()
    for number in range(100):
        source = f"worker {number}"
        arrivals.answered(source, arrivals.sent(source, number, 1), number, number + 0.1)
    assert not arrivals._ways


@pytest.mark.parametrize("text", ["5/s", "20/s", "50/s", "100/10s"])
def test_connections_that_are_opened_in_between_break_no_window(text: str) -> None:
    """What waits for one arrives late, and is overtaken by what goes on another."""
    quota = Quota.parse(text)
    rng = random.Random(text)
    policy = Policy(quotas=(quota,), max_in_flight=8, adaptive=False)
    governor = Governor(policy, 0.0)
    arrived: list[float] = []

    def answered_s(now_s: float) -> float:
        arrived.append(now_s + (0.3 if rng.random() < 0.02 else 0.02))
        return arrived[-1] + 0.04

    sent = send_alone(governor, answered_s, end_s=120.0)
    assert fullest(arrived, quota.window_s) <= quota.limit
    assert sent >= 0.95 * 120.0 * quota.limit / quota.window_s
