"""The quota learner against meters of every kind; announced budgets."""

from __future__ import annotations

import pytest

from ventil.core.announced import Announced
from ventil.core.exchange import Outcome, RateHint, Verdict
from ventil.core.governor import Governor, Permit, Policy, Reason
from ventil.core.learner import LearnerState, QuotaLearner

LIVE = Outcome(Verdict.LIVE)


class Bucket:
    """A token bucket."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.tokens, self.then_s = rate, burst, burst, 0.0

    def take(self, now_s: float) -> bool:
        """Whether one more is let through."""
        self.tokens = min(self.burst, self.tokens + (now_s - self.then_s) * self.rate)
        self.then_s = now_s
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Fixed:
    """A fixed window."""

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit, self.window_s, self.used, self.window = limit, window_s, 0, 0

    def take(self, now_s: float) -> bool:
        """Whether one more is let through."""
        window = int(now_s // self.window_s)
        if window != self.window:
            self.window, self.used = window, 0
        self.used += 1
        return self.used <= self.limit


class Sliding:
    """A sliding log."""

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit, self.window_s = limit, window_s
        self.log: list[float] = []

    def take(self, now_s: float) -> bool:
        """Whether one more is let through."""
        self.log = [at_s for at_s in self.log if at_s > now_s - self.window_s]
        if len(self.log) >= self.limit:
            return False
        self.log.append(now_s)
        return True


def drive(
    meter: Bucket | Fixed | Sliding,
    seconds: float,
    answer_s: float = 0.05,
    retry_after_s: float | None = None,
) -> tuple[int, int, Governor]:
    """(let through, throttled, governor) of a job that never ends.

    `retry_after_s`: what every throttle names.
    """
    governor = Governor(Policy(), 0.0, seed=3)
    flights: list[tuple[float, Permit, Outcome]] = []
    now_s, passed, throttled = 0.0, 0, 0
    refusal = Outcome(Verdict.THROTTLED, retry_after_s=retry_after_s, detail="429")
    while now_s < seconds:
        answer = governor.admit(now_s, pending=10**6)
        if isinstance(answer, Permit):
            if meter.take(now_s):
                passed += 1
                flights.append((now_s + answer_s, answer, LIVE))
            else:
                throttled += 1
                flights.append((now_s + 0.01, answer, refusal))
            continue
        flights.sort(key=lambda flight: flight[0])
        if flights and (answer.until_s is None or flights[0][0] <= answer.until_s):
            now_s, permit, outcome = flights.pop(0)
            governor.settle(permit, now_s, outcome)
        else:
            assert answer.until_s is not None
            now_s = answer.until_s
    return passed, throttled, governor


@pytest.mark.parametrize(
    ("meter", "rate"),
    [
        (Bucket(50.0, 100.0), 50.0),
        (Bucket(5.0, 3.0), 5.0),
        (Fixed(300, 10.0), 30.0),
        (Fixed(600, 60.0), 10.0),
        (Sliding(100, 10.0), 10.0),
    ],
    ids=["bucket", "small bucket", "fixed 10 s", "fixed 60 s", "sliding"],
)
def test_a_quota_that_nobody_announced_is_found_and_used(
    meter: Bucket | Fixed | Sliding, rate: float
) -> None:
    """Nearly all of it is used, and few requests are wasted on it."""
    passed, throttled, _governor = drive(meter, 600.0)
    assert passed >= 0.88 * rate * 600.0
    # The first exhaustion must be run into, with all that is in flight then.
    assert throttled <= 0.03 * passed + 400


@pytest.mark.parametrize(
    ("meter", "rate", "retry_after_s"),
    [
        (Bucket(0.8, 1.0), 0.8, None),
        (Bucket(0.17, 1.0), 0.17, 6.0),
        (Bucket(2.0, 1.0), 2.0, 1.0),
        (Sliding(4, 1.0), 4.0, 1.0),
    ],
    ids=["bucket of one", "slow bucket of one", "rounded up", "short log, rounded up"],
)
def test_a_meter_that_saves_nothing_up_is_used_without_many_throttles(
    meter: Bucket | Sliding, rate: float, retry_after_s: float | None
) -> None:
    """While a gate is closed it is full: the pause is no part of its rate."""
    passed, throttled, governor = drive(meter, 900.0, 0.3, retry_after_s)
    assert governor.condition(900.0).learned_rate == pytest.approx(rate, rel=0.06)
    assert passed >= 0.9 * rate * 900.0
    assert throttled <= 12 + 0.04 * passed


def test_what_is_caught_up_with_shrinks_when_a_throttle_comes_of_it() -> None:
    """Too many at once: that they may be fewer at once is tried before a lower rate."""
    learner = QuotaLearner()
    learner.restore(LearnerState(10.0, True), shift_s=0.0, now_s=0.0)
    learner.throttled(1.0)
    learner.resumed(2.0, 1.9, 10, 5.0)
    learner.take(3.0, 1)  # 0.1 s apart would be the pace
    learner.take(3.02, 1)
    learner.throttled(3.05)
    assert learner.rate == 10.0
    learner.resumed(4.0, 3.9, 11, 5.0)
    learner.take(5.0, 1)
    assert learner.due(5.0, 99) == 5.0  # the second of two
    learner.take(5.0, 1)
    assert learner.due(5.0, 99) == pytest.approx(5.1)  # 0.2 s were allowed before


def test_after_a_resume_nothing_is_caught_up_with() -> None:
    """The request that was answered has used what there was."""
    learner = QuotaLearner()
    learner.restore(LearnerState(0.5, True), shift_s=0.0, now_s=0.0)
    learner.throttled(10.0)
    learner.resumed(12.0, 11.9, 5, 0.5)
    assert learner.due(12.0, 99) == pytest.approx(11.9 + 2.0)


def test_a_refused_step_upward_is_taken_back() -> None:
    """The rate before it held; it is not measured anew by more throttles."""
    learner = QuotaLearner()
    learner.begin(0.0)
    learner.restore(LearnerState(10.0, True), shift_s=0.0, now_s=0.0)
    learner.throttled(1.0)
    learner.resumed(2.0, 1.9, 10, 5.0)
    learner.take(17.0, 1)
    learner.look(18.0, 10.0)
    raised = learner.rate
    assert raised is not None
    assert raised > 10.0
    learner.throttled(20.0)
    assert learner.rate == 10.0


def test_the_wait_for_a_learned_quota_says_so() -> None:
    """Reason and detail name it."""
    _passed, _throttled, governor = drive(Bucket(20.0, 20.0), 60.0)
    waited_s = governor.condition(60.0).waited_s
    assert waited_s[Reason.LEARNED_QUOTA] > 30.0


def test_the_condition_tells_what_was_learned() -> None:
    """Rate, answer time without a queue and queue, in numbers, for a person."""
    _passed, _throttled, governor = drive(Bucket(20.0, 20.0), 150.0)
    condition = governor.condition(150.0)
    assert condition.learned_rate == pytest.approx(20.0, rel=0.15)
    assert condition.throughput == pytest.approx(20.0, rel=0.2)
    assert condition.base_s == pytest.approx(0.05, rel=0.1)
    assert condition.queue is not None
    assert condition.queue < 3
    assert "learned quota of" in condition.words


def test_both_ends_of_a_measurement_are_resumes() -> None:
    """From resume to resume; the burst before the first throttle does not count."""
    learner = QuotaLearner()
    learner.begin(0.0)
    learner.throttled(2.0)
    learner.resumed(10.0, 10.0, 200, 100.0)
    assert learner.rate == 100.0  # as fast as before: brings the second throttle
    learner.throttled(12.0)
    learner.resumed(20.0, 20.0, 300, 100.0)
    assert learner.rate == pytest.approx(0.99 * 10.0)


def test_an_outage_between_two_throttles_measures_nothing() -> None:
    """Requests that failed would make the quota look smaller than it is."""
    learner = QuotaLearner()
    learner.begin(0.0)
    learner.throttled(2.0)
    learner.resumed(10.0, 10.0, 200, 30.0)
    learner.interrupted()
    learner.throttled(400.0)
    learner.resumed(401.0, 401.0, 300, 30.0)
    assert learner.rate == 30.0


def hint(remaining: float, reset_s: float, name: str = "") -> tuple[RateHint, ...]:
    """What a header field says."""
    return (RateHint(limit=100, remaining=remaining, reset_s=reset_s, name=name),)


def test_replies_out_of_order_can_lower_a_budget_only() -> None:
    """Edge case 2: stale and out of order."""
    announced = Announced(86_400.0)
    announced.tell(0.0, 10, hint(5, 30.0))
    announced.tell(0.1, 8, hint(9, 30.0))
    assert announced.free_from(1.0, 15) == 1.0
    assert announced.free_from(1.0, 16) > 29.0
    announced.tell(0.2, 9, hint(3, 30.0))
    assert announced.free_from(1.0, 13) > 29.0


def test_the_tightest_of_several_policies_counts() -> None:
    """Edge case 2: several policies; the latest reset in the way is waited for."""
    announced = Announced(86_400.0)
    announced.tell(0.0, 1, hint(0, 1.0, "burst") + hint(0, 50.0, "daily"))
    assert announced.free_from(0.5, 2) == pytest.approx(50.05)


def test_a_limit_that_changes_in_the_middle_is_followed() -> None:
    """Edge case 2: the newest word of the provider counts."""
    announced = Announced(86_400.0)
    announced.tell(0.0, 1, hint(0, 60.0))
    announced.tell(1.0, 2, hint(50, 60.0))
    assert announced.free_from(2.0, 3) == 2.0


def test_a_bucket_in_header_fields_flows() -> None:
    """Its reset moves along with time: waiting for it would waste what comes in."""
    announced = Announced(86_400.0)
    for k in range(30):  # 20 a second are let through, 3 remain, full again in 5 s
        announced.tell(0.3 * k, 6 * k, hint(3, 5.0))
    now_s, number = 0.3 * 29, 6 * 29
    assert announced.free_from(now_s, number + 3) == now_s
    assert announced.free_from(now_s, number + 13) == pytest.approx(now_s + 0.5, rel=0.1)


def test_a_fixed_window_in_header_fields_does_not_flow() -> None:
    """Its reset stays where it is, and what is covered does not grow before it."""
    announced = Announced(86_400.0)
    for k in range(30):
        announced.tell(0.3 * k, 6 * k, hint(200 - 6 * k, 60.0 - 0.3 * k))
    assert announced.free_from(9.0, 201) == pytest.approx(60.05)


def test_a_lie_in_a_header_field_costs_a_wait_and_no_more() -> None:
    """Edge case 2: remaining 0 for ever with 200s; the reset is clamped, requests go on."""
    governor = Governor(Policy(), 0.0)
    now_s, sent = 0.0, 0
    for _ in range(100):
        answer = governor.admit(now_s, pending=9)
        if isinstance(answer, Permit):
            sent += 1
            governor.settle(answer, now_s, Outcome(Verdict.LIVE, hints=hint(0, 1e9)))
        else:
            assert answer.until_s is not None
            assert answer.until_s - now_s <= 86_401.0
            now_s = answer.until_s
    assert sent >= 49


def raised(rate: float, seconds: float) -> QuotaLearner:
    """A learner that has known `rate` for a while, in full use for `seconds`, unthrottled."""
    learner = QuotaLearner()
    state = LearnerState(rate=rate, confident=True, last_throttle_s=0.0)
    learner.restore(state, shift_s=0.0, now_s=1000.0)
    for tenth in range(int(seconds * 10)):
        now_s = 1000.0 + tenth / 10
        learner.take(now_s, 1)
        learner.look(now_s, learner.rate or 0.0)
    return learner


def test_a_quota_that_another_client_gave_up_is_taken_soon() -> None:
    """Plainly above what was measured, the rate is raised by a quarter at a time."""
    assert (raised(25.0, 16.0).rate or 0.0) < 1.1 * 25.0
    assert (raised(25.0, 40.0).rate or 0.0) > 50.0


def test_a_slow_quota_is_looked_above_in_longer_steps() -> None:
    """A step lasts as long as fifty requests do, four to six seconds."""
    fast, slow = raised(25.0, 20.0), raised(2.0, 20.0)
    assert (slow.rate or 0.0) / 2.0 < (fast.rate or 0.0) / 25.0
