"""The governor's decisions, one by one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ventil.core.exchange import Outcome, RateHint, Verdict
from ventil.core.governor import (
    BadGovernorState,
    Governor,
    GovernorState,
    Permit,
    Policy,
    Quota,
    Reason,
    Wait,
)

T0 = 1_795_269_600.0  # Sat, 21 Nov 2026 14:00:00 UTC
LIVE = Outcome(Verdict.LIVE)
FAILED = Outcome(Verdict.OVERLOADED, detail="503")
THROTTLED = Outcome(Verdict.THROTTLED, detail="429 without Retry-After")
REFUSED = Outcome(Verdict.REFUSED, detail="403")
IGNORED = Outcome(Verdict.IGNORED)
NPM = Policy(quotas=(Quota.parse("0.45/s"),), max_in_flight=1, cooldown_s=3600.0)
FOUR = Policy(max_in_flight=4, adaptive=False, cooldown_s=60.0)


def permit(governor: Governor, now_s: float, **how: object) -> Permit:
    """A permit that must be given."""
    answer = governor.admit(now_s, **how)  # type: ignore[arg-type]
    assert isinstance(answer, Permit), answer
    return answer


def wait(governor: Governor, now_s: float, **how: object) -> Wait:
    """A wait that must be given."""
    answer = governor.admit(now_s, **how)  # type: ignore[arg-type]
    assert isinstance(answer, Wait), answer
    return answer


def test_one_in_flight_and_the_quota() -> None:
    """With one slot the next waits for the answer, then for the quota."""
    governor = Governor(NPM, T0)
    first = permit(governor, T0)
    assert wait(governor, T0 + 3).reason is Reason.CONCURRENCY_LIMIT
    governor.settle(first, T0 + 3, LIVE)
    held = wait(governor, T0 + 3)  # as far as we know it arrived just before
    assert held.reason is Reason.QUOTA
    assert held.detail.startswith("quota 0.45/s until 14:00:05 UTC")
    second_s = held.until_s or 0
    governor.settle(permit(governor, second_s), second_s + 0.1, LIVE)
    held = wait(governor, second_s + 0.1)
    assert held.reason is Reason.QUOTA
    assert held.until_s == pytest.approx(second_s + 1.01 / 0.45)
    permit(governor, held.until_s or 0)


def test_a_throttle_without_a_time_cools_down_the_provider() -> None:
    """The cooldown is named for people, and one request checks before the others go."""
    governor = Governor(replace(FOUR, cooldown_s=300.0), T0)
    burst = [permit(governor, T0) for _ in range(4)]
    governor.settle(burst[0], T0 + 0.1, THROTTLED)
    held = wait(governor, T0 + 0.1)
    assert (held.reason, held.detail) == (
        Reason.COOLDOWN,
        "cooldown until 14:05 UTC, 429 without Retry-After",
    )
    for late in burst[1:]:  # the rest of the same burst changes nothing
        governor.settle(late, T0 + 5, THROTTLED)
    assert wait(governor, T0 + 5).until_s == held.until_s
    assert held.until_s is not None
    probe = permit(governor, held.until_s)
    assert wait(governor, held.until_s).reason is Reason.COOLDOWN
    governor.settle(probe, held.until_s + 0.1, LIVE)
    for _ in range(4):
        permit(governor, held.until_s + 0.1)


def test_a_named_time_is_honoured_and_the_longest_of_a_burst_counts() -> None:
    """Several Retry-After values in one burst: the longest wins (edge case 1)."""
    governor = Governor(FOUR, T0)
    burst = [permit(governor, T0) for _ in range(3)]
    for one, wait_s in zip(burst, [10.0, 90.0, 30.0], strict=True):
        governor.settle(one, T0 + 1, Outcome(Verdict.THROTTLED, wait_s, detail="429"))
    assert wait(governor, T0 + 1).until_s == pytest.approx(T0 + 91, abs=0.06)


def test_a_named_time_on_an_overload_holds_the_whole_provider() -> None:
    """503 with Retry-After gates, though it is no throttle."""
    governor = Governor(FOUR, T0)
    one = permit(governor, T0)
    governor.settle(one, T0, Outcome(Verdict.OVERLOADED, 20.0, detail="503"))
    assert wait(governor, T0 + 19).until_s == T0 + 20


def test_nobody_stops_us_for_ever() -> None:
    """A wait is clamped to a day."""
    governor = Governor(FOUR, T0)
    governor.settle(permit(governor, T0), T0, Outcome(Verdict.THROTTLED, 1e9, detail="429"))
    assert wait(governor, T0).until_s == T0 + 86_400


def test_the_breaker_opens_probes_and_closes() -> None:
    """Five failures in a row, then one probe at a time until an answer."""
    governor = Governor(FOUR, T0)
    for n in range(5):
        governor.settle(permit(governor, T0 + n), T0 + n, FAILED)
    held = wait(governor, T0 + 4.1)
    assert held.reason is Reason.BREAKER
    assert held.until_s is not None
    probe = permit(governor, held.until_s)
    assert wait(governor, held.until_s).reason is Reason.BREAKER
    assert governor.condition(held.until_s).breaker == "half-open"
    governor.settle(probe, held.until_s + 1, LIVE)
    assert governor.condition(held.until_s + 1).breaker == "closed"
    permit(governor, held.until_s + 1)


def test_late_results_of_an_earlier_generation_are_harmless() -> None:
    """Answers to requests from before the opening neither close nor prolong it."""
    governor = Governor(FOUR, T0)
    old = [permit(governor, T0) for _ in range(3)]
    for n in range(5):
        governor.settle(permit(governor, T0 + n), T0 + n, FAILED)
    before = wait(governor, T0 + 4)
    governor.settle(old[0], T0 + 4, LIVE)
    governor.settle(old[1], T0 + 4, FAILED)
    assert wait(governor, T0 + 4) == before


def test_refusals_in_a_row_are_a_ban() -> None:
    """Twelve 403 without a live answer between cool the provider down."""
    governor = Governor(FOUR, T0)
    for n in range(11):
        governor.settle(permit(governor, T0 + n), T0 + n, REFUSED)
    governor.settle(permit(governor, T0 + 11), T0 + 11, LIVE)
    for n in range(12, 24):
        governor.settle(permit(governor, T0 + n), T0 + n, REFUSED)
    held = wait(governor, T0 + 24)
    assert held.reason is Reason.COOLDOWN
    assert "12 refusals in a row" in held.detail
    assert held.until_s == T0 + 23 + 60
    probe = permit(governor, T0 + 83)
    governor.settle(probe, T0 + 83, REFUSED)
    assert wait(governor, T0 + 84).until_s == T0 + 83 + 60


def test_nothing_remaining_waits_for_the_reset() -> None:
    """remaining=0 with a 200 gates until the reset, and counts what is on its way."""
    governor = Governor(FOUR, T0)
    first, second = permit(governor, T0), permit(governor, T0)
    hint = RateHint(limit=10, remaining=2, reset_s=30.0)
    governor.settle(first, T0 + 1, Outcome(Verdict.LIVE, hints=(hint,)))
    third = permit(governor, T0 + 1)  # first + 2: the last one covered
    held = wait(governor, T0 + 1)
    assert held.reason is Reason.ANNOUNCED_QUOTA
    assert held.until_s == pytest.approx(T0 + 31.05)
    # An older reply that arrives late may not raise it (edge case 2).
    hint = RateHint(limit=10, remaining=8, reset_s=30.0)
    governor.settle(second, T0 + 1.1, Outcome(Verdict.LIVE, hints=()))
    assert wait(governor, T0 + 1.1).until_s == held.until_s
    governor.settle(third, T0 + 2, LIVE)
    permit(governor, T0 + 31.05)


def test_a_hint_never_raises_the_configured_pace() -> None:
    """A thousand remaining do not loosen a quota of two a minute."""
    governor = Governor(
        Policy(quotas=(Quota.parse("2/min"),), max_in_flight=9, adaptive=False), T0
    )
    hints = (RateHint(limit=1000, remaining=1000, reset_s=1.0),)
    for _ in range(2):
        governor.settle(permit(governor, T0), T0, Outcome(Verdict.LIVE, hints=hints))
    assert wait(governor, T0).reason is Reason.QUOTA


def test_retries_have_a_budget() -> None:
    """At most a quarter of the slots, and at least one."""
    governor = Governor(replace(FOUR, max_in_flight=8), T0)
    permit(governor, T0, retry=True)
    permit(governor, T0, retry=True)
    assert wait(governor, T0, retry=True).reason is Reason.RETRY_BUDGET
    permit(governor, T0)


def test_retries_may_have_all_slots_when_there_is_nothing_else() -> None:
    """At the end of a job nothing is kept free for first tries that do not come."""
    governor = Governor(replace(FOUR, max_in_flight=8), T0)
    permit(governor, T0)
    for _ in range(2):
        permit(governor, T0, retry=True)
    assert wait(governor, T0, retry=True).reason is Reason.RETRY_BUDGET
    assert wait(governor, T0 + 2.9, retry=True).reason is Reason.RETRY_BUDGET
    for _ in range(5):
        permit(governor, T0 + 3.0, retry=True)
    assert wait(governor, T0 + 3.0, retry=True).reason is Reason.CONCURRENCY_LIMIT


def test_a_used_up_budget_in_the_header_fields_tells_a_quota_from_a_cap() -> None:
    """A 429 without Retry-After whose fields say "0 remaining" holds until their reset."""
    governor = Governor(Policy(), T0)
    first, second = permit(governor, T0), permit(governor, T0)
    governor.settle(first, T0 + 0.1, LIVE)
    spent = Outcome(Verdict.THROTTLED, None, (RateHint(10.0, 0.0, 5.0),), "429")
    governor.settle(second, T0 + 0.1, spent)
    condition = governor.condition(T0 + 0.1)
    assert condition.gate_until_s == pytest.approx(T0 + 5.15, abs=0.06)
    assert condition.ceiling is None


def test_a_slot_is_returned_once() -> None:
    """A duplicate completion, or one after a cancellation, changes nothing (case 12)."""
    governor = Governor(FOUR, T0)
    one, _two = permit(governor, T0), permit(governor, T0)
    governor.settle(one, T0 + 1, IGNORED)
    governor.settle(one, T0 + 2, FAILED)
    assert governor.in_flight == 1


def test_a_permit_that_never_comes_back_frees_its_slot() -> None:
    """Even when the caller loses one, there is a finite wake-up."""
    governor = Governor(NPM, T0)
    lost = permit(governor, T0)
    held = wait(governor, T0 + 50)
    assert held.until_s is not None
    held = wait(governor, held.until_s)
    assert held.reason is Reason.QUOTA  # who knows when that arrived
    assert held.until_s is not None
    permit(governor, held.until_s)
    governor.settle(lost, held.until_s + 1, LIVE)  # and it is harmless later
    assert governor.in_flight == 1


def test_time_never_runs_backwards() -> None:
    """A clock that jumps back opens nothing (edge case 7)."""
    governor = Governor(NPM, T0)
    governor.settle(permit(governor, T0), T0 + 1, LIVE)
    assert wait(governor, T0 - 1000).reason is Reason.QUOTA
    assert wait(governor, float("nan")).reason is Reason.QUOTA


def test_a_restart_honours_a_running_cooldown() -> None:
    """A new process waits for what the old one was told (edge case 13)."""
    governor = Governor(NPM, T0)
    governor.settle(permit(governor, T0), T0, THROTTLED)
    text = governor.state(T0).to_json()
    again = Governor(NPM, T0 + 600, state=GovernorState.from_json(text))
    held = wait(again, T0 + 600)
    assert (held.until_s, held.reason) == (T0 + 3600, Reason.COOLDOWN)
    over = Governor(NPM, T0 + 7200, state=GovernorState.from_json(text))
    probe = permit(over, T0 + 7200)
    assert wait(over, T0 + 7210).reason is Reason.COOLDOWN
    over.settle(probe, T0 + 7211, LIVE)
    permit(over, T0 + 7214)


def test_a_restart_honours_an_open_breaker() -> None:
    """The probe is due when it would have been (edge case 13)."""
    governor = Governor(FOUR, T0)
    for n in range(5):
        governor.settle(permit(governor, T0 + n), T0 + n, FAILED)
    due_s = wait(governor, T0 + 4).until_s
    again = Governor(FOUR, T0 + 4.1, state=governor.state(T0 + 4))
    held = wait(again, T0 + 4.1)
    assert (held.until_s, held.reason) == (due_s, Reason.BREAKER)


def test_a_kill_cannot_break_a_window() -> None:
    """The new process counts what the old one could have sent after its last word."""
    governor = Governor(NPM, T0)
    state = governor.state(T0)
    again = Governor(NPM, T0 + 0.2, state=state)
    assert wait(again, T0 + 0.2).until_s == pytest.approx(T0 + 0.2 + 1.01 / 0.45)
    clean = Governor(NPM, T0 + 0.2, state=governor.state(T0, final=True))
    permit(clean, T0 + 0.2)


def test_a_clock_set_back_between_processes() -> None:
    """A state from the future means that no time has passed; waits stay finite."""
    governor = Governor(NPM, T0)
    governor.settle(permit(governor, T0), T0, THROTTLED)
    state = governor.state(T0)
    again = Governor(NPM, T0 - 1e6, state=state)
    assert wait(again, T0 - 1e6).until_s == T0 - 1e6 + 3600
    absurd = replace(state, gate=replace(state.gate, until_s=T0 + 1e9))
    clamped = Governor(NPM, T0, state=absurd)
    assert wait(clamped, T0).until_s == T0 + 86_400


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", '{"version": "1"}', '{"version": 1}', "[" * 100_000],
)
def test_a_damaged_state_is_refused(text: str) -> None:
    """With a ValueError that says so."""
    with pytest.raises(BadGovernorState, match="governor state"):
        GovernorState.from_json(text)


def test_a_newer_state_is_refused() -> None:
    """It names both versions."""
    raw = json.loads(Governor(NPM, T0).state(T0).to_json())
    raw["version"] = 99
    with pytest.raises(BadGovernorState, match="version 99, newer"):
        GovernorState.from_json(json.dumps(raw))


def test_changes_grow_when_something_matters() -> None:
    """A throttle, an opening and a closing are worth storing at once."""
    governor = Governor(FOUR, T0)
    governor.settle(permit(governor, T0), T0, LIVE)
    assert governor.changes == 0
    governor.settle(permit(governor, T0), T0, THROTTLED)
    assert governor.changes == 1


def test_waits_are_summed_by_reason() -> None:
    """What limited the run, in seconds."""
    governor = Governor(NPM, T0)
    one = permit(governor, T0)
    wait(governor, T0)
    governor.settle(one, T0 + 1, LIVE)
    wait(governor, T0 + 1)
    permit(governor, T0 + 4)
    waited_s = governor.condition(T0 + 4).waited_s
    assert waited_s[Reason.CONCURRENCY_LIMIT] == pytest.approx(1.0)
    assert waited_s[Reason.QUOTA] == pytest.approx(3.0)


def test_a_check_that_was_lost_and_comes_back_counts_once() -> None:
    """One request at a time checks the gate, also when an earlier one was written off."""
    policy = Policy(max_in_flight=3, adaptive=False, cooldown_s=0.5, timeout_s=5.0)
    governor = Governor(policy, T0)
    governor.settle(permit(governor, T0), T0, THROTTLED)
    late = permit(governor, T0 + 1)
    hung = permit(governor, T0 + 10)
    permit(governor, T0 + 19)  # the first one counts as lost by now
    governor.settle(late, T0 + 50, FAILED)
    governor.settle(hung, T0 + 50, FAILED)
    permit(governor, T0 + 50)
    assert wait(governor, T0 + 50).reason is Reason.COOLDOWN
