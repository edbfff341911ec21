"""Laws that the governor keeps whatever happens: orders, losses, clock jumps, restarts."""

from __future__ import annotations

from math import inf

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ventil.core.exchange import Outcome, RateHint, Verdict
from ventil.core.governor import Governor, GovernorState, Permit, Policy, Quota, Wait

T0 = 1_795_269_600.0

waits_s = st.one_of(st.none(), st.floats(0.01, 5000.0))
hints = st.lists(
    st.builds(
        RateHint,
        limit=st.one_of(st.none(), st.floats(0, 1e4)),
        remaining=st.one_of(st.none(), st.floats(0, 100)),
        reset_s=st.one_of(st.none(), st.floats(0, 4000)),
        window_s=st.one_of(st.none(), st.floats(0.1, 4000)),
        name=st.sampled_from(["", "a", "b"]),
    ),
    max_size=2,
).map(tuple)
outcomes = st.builds(
    Outcome,
    verdict=st.sampled_from([*Verdict, Verdict.LIVE, Verdict.LIVE, Verdict.OVERLOADED]),
    retry_after_s=waits_s,
    hints=st.one_of(st.just(()), hints),
)
quotas = st.lists(
    st.sampled_from(
        [Quota(0.45, 1), Quota(3, 1), Quota(10, 10), Quota(40, 60), Quota(700, 600)]
    ),
    max_size=3,
    unique=True,
).map(tuple)
policies = st.builds(
    Policy,
    quotas=quotas,
    max_in_flight=st.sampled_from([1, 2, 5, 40]),
    adaptive=st.booleans(),
    cooldown_s=st.sampled_from([None, 1.0, 60.0, 3600.0]),
    timeout_s=st.sampled_from([5.0, 90.0]),
)


class GovernorLaws(RuleBasedStateMachine):
    """Drives a governor as badly as an engine could, and keeps its own books."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = T0
        self.governor: Governor | None = None
        self.open: list[Permit] = []
        self.done: list[Permit] = []
        self.sent: list[tuple[float, int]] = []

    @precondition(lambda self: self.governor is None)
    @rule(policy=policies, seed=st.integers(0, 3))
    def start(self, policy: Policy, seed: int) -> None:
        """Begin with this policy."""
        self.policy = policy
        self.seed = seed
        self.governor = Governor(policy, self.now_s, seed=seed)

    def one(self, pending: int, weight: int, retry: bool) -> Permit | Wait:
        """Ask once, and check the answer against the books."""
        assert self.governor is not None
        gate_s = self.governor.condition(self.now_s).gate_until_s
        answer = self.governor.admit(self.now_s, pending=pending, weight=weight, retry=retry)
        if isinstance(answer, Permit):
            assert gate_s is None or gate_s <= self.now_s, "sent while gated"
            self.open.append(answer)
            self.sent.append((self.now_s, weight))
            self.check_windows()
        else:
            assert answer.until_s is None or answer.until_s > self.now_s
            assert answer.until_s is not None or self.governor.in_flight > 0, "deadlock"
        return answer

    def check_windows(self) -> None:
        """No window that ends now holds more than its quota."""
        for quota in self.policy.quotas:
            span_s = quota.window_s if quota.limit >= 1 else quota.window_s / quota.limit
            start_s = self.now_s - span_s
            used = sum(weight for at_s, weight in self.sent if at_s > start_s)
            assert used <= max(1.0, quota.limit), (quota, used)

    @precondition(lambda self: self.governor is not None)
    @rule(
        times=st.integers(1, 60),
        pending=st.integers(1, 1000),
        weight=st.sampled_from([1, 1, 1, 2]),
        retry=st.sampled_from([False, False, False, True]),
    )
    def ask(self, times: int, pending: int, weight: int, retry: bool) -> None:
        """Ask up to so many times at one moment."""
        if any(quota.limit < weight for quota in self.policy.quotas):
            weight = 1
        probes = 0
        for _ in range(times):
            answer = self.one(pending, weight, retry)
            if isinstance(answer, Wait):
                return
            probes += answer.probe or answer.gate_probe
            assert probes <= 1, "more than one probe a step"

    @precondition(lambda self: self.open)
    @rule(data=st.data(), outcome=outcomes, times=st.integers(1, 8))
    def settle(self, data: st.DataObject, outcome: Outcome, times: int) -> None:
        """Some requests end, in any order."""
        assert self.governor is not None
        for _ in range(min(times, len(self.open))):
            at = data.draw(st.integers(0, len(self.open) - 1))
            permit = self.open.pop(at)
            self.governor.settle(permit, self.now_s, outcome)
            self.done.append(permit)

    @precondition(lambda self: self.done)
    @rule(data=st.data(), outcome=outcomes)
    def settle_twice(self, data: st.DataObject, outcome: Outcome) -> None:
        """A completion is told a second time: nothing changes."""
        assert self.governor is not None
        before = self.governor.state(self.now_s)
        self.governor.settle(data.draw(st.sampled_from(self.done)), self.now_s, outcome)
        assert self.governor.state(self.now_s) == before

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """A completion never comes."""
        self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))

    @rule(wait_s=st.sampled_from([0.001, 0.05, 0.3, 1.0, 2.2, 7.0, 31.0, 700.0, 90_000.0]))
    def pass_time(self, wait_s: float) -> None:
        """Time goes on."""
        self.now_s += wait_s

    @precondition(lambda self: self.governor is not None)
    @rule(back_s=st.sampled_from([0.1, 100.0, 1e9, inf]))
    def clock_jumps_back(self, back_s: float) -> None:
        """A call with an earlier time is harmless."""
        assert self.governor is not None
        answer = self.governor.admit(self.now_s - back_s)
        if isinstance(answer, Permit):
            # It counts as sent at the latest time seen, which is not after now.
            self.open.append(answer)
            self.sent.append((answer.sent_s, 1))

    @precondition(lambda self: self.governor is not None)
    @rule(clean=st.booleans(), down_s=st.sampled_from([0.0, 0.1, 1.0, 60.0]))
    def restart(self, clean: bool, down_s: float) -> None:
        """The state goes through storage into a new process."""
        assert self.governor is not None
        state = self.governor.state(self.now_s, final=clean)
        text = state.to_json()
        assert GovernorState.from_json(text) == state
        self.now_s += down_s
        self.open.clear()
        self.done.clear()
        self.governor = Governor(
            self.policy, self.now_s, seed=self.seed, state=GovernorState.from_json(text)
        )

    @precondition(lambda self: self.governor is not None)
    @rule(waits_s=st.lists(st.sampled_from([0.001, 0.01, 0.1]), min_size=1, max_size=4))
    def kill(self, waits_s: list[float]) -> None:
        """A process is killed within half a second of its last stored state."""
        assert self.governor is not None
        state = self.governor.state(self.now_s)
        for wait_s in waits_s:
            for _ in range(20):
                if isinstance(self.one(99, 1, False), Wait):
                    break
            self.now_s += wait_s
        self.open.clear()
        self.done.clear()
        self.governor = Governor(self.policy, self.now_s, seed=self.seed, state=state)

    @precondition(lambda self: self.governor is not None)
    @rule()
    def walk(self) -> None:
        """Waking up when told to, with answers coming in, something is admitted at last."""
        assert self.governor is not None
        for _ in range(400):
            answer = self.one(10, 1, False)
            if isinstance(answer, Permit):
                return
            if answer.until_s is None:
                assert self.open, "told to wait for a settle that cannot come"
                permit = self.open.pop()
                self.governor.settle(permit, self.now_s, Outcome(Verdict.LIVE))
                self.done.append(permit)
            else:
                self.now_s = answer.until_s
        raise AssertionError("nothing was ever admitted")

    @invariant()
    def in_flight_is_bounded(self) -> None:
        """Never more than the ceiling."""
        if self.governor is not None:
            assert self.governor.in_flight <= self.policy.max_in_flight
            condition = self.governor.condition(self.now_s)
            assert condition.words
            assert 1 <= condition.limit <= self.policy.max_in_flight


GovernorLaws.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestGovernorLaws = GovernorLaws.TestCase
