"""The governor: may the next request to this provider go now, or when?

How to drive it (the engine does, and so can a simulator)
---------------------------------------------------------
One governor per provider key. It reads no clock and never sleeps: every call carries
`now_s`, seconds since the epoch (any origin will do in a simulation), never going back;
a call with an earlier time counts as made at the latest time seen.

::

    governor = Governor(Policy(), now_s=t, seed=1)
    answer = governor.admit(t, pending=len(queue))
    if isinstance(answer, Permit):      # send exactly one request, now
        ...                             # when it is over, however it ended:
        governor.settle(answer, t2, outcome)
    else:                               # a Wait
        ...                             # ask again at answer.until_s, or after the next
                                        # settle, whichever comes first

- Call `admit` again and again at the same time until it answers with a `Wait`.
- Every permit is settled exactly once, a cancelled request with `Verdict.IGNORED`. A second
  settle of the same permit changes nothing.
- After each `settle`, ask again even if an `until_s` was named: an answer can open the way.
  `until_s` None means that nothing but a settle can. It is never None when nothing is in
  flight, so with work pending there is always something to wait for.
- `pending` is how many requests wait to be sent, this one and those to be retried included:
  the end of a job needs no pacing. `record` is any hashable name of the record, so that one
  poison record is not taken for an outage.
- A request that failed or was throttled goes back into the *same* queue, after Retry-After
  if one was named or else after `backoff.retry_delay_s`, and is asked for with `retry=True`.
  When that is answered by a `Wait`, ask once more for a request that was never tried, if
  there is one: retries may use a quarter of the slots, and probes are first tries.
- An `Outcome` is a verdict with what the reply said about time: 200 and the likes of 404 are
  `LIVE`; 429 is `THROTTLED` with `retry_after_s` (None when it named none); 5xx, a timeout
  (after `Policy.timeout_s`) and a broken connection are `OVERLOADED`; rate-limit header
  fields go along as `hints`. For HTTP, `core.outcome.judge_http` makes one of a reply.
- `Policy()` suits a provider nothing is known of, from a cold start.
- `state()` may be taken at any moment. While sending, store it at least every `lost_s`
  seconds and whenever `changes` has grown; after the last settle store `state(final=True)`.

What decides
------------
In this order: calendar, breaker, gate, limit on requests in flight, objectives, retry
budget, quotas (stated, learned, announced). A request goes when none objects; otherwise the
wait names what objects, and until when.

Theory of operation
-------------------
Five signals, each used only for what it can identify:

| signal | tells | does not tell | part |
|---|---|---|---|
| answer time, low quantile of cohorts | our queue at the provider | quotas | `limit` |
| rejections against requests in flight | a full queue or chance | its size | `rejection` |
| throttles, from resume to resume | the rate of a quota | concurrency | `learner` |
| what header fields announce | what is left, until when | what others use | `announced` |
| failures in a row, or silence | an outage | its cause | `breaker`, `stall` |

::

                 answers come, the queue stays short
                ┌──────────────────────────────────┐
                ▼                                  │
    STARTUP ─► STEADY ─► queue too long, or rejections are our doing: lower the limit
       ▲        │  │
       │        │  └─ throttled ──► GATE closed ─(time)─► one request ─ answered ─► STEADY
       │        │                     ▲                      │ throttled       paced by the
       │        │                     └──────────────────────┘                 learned rate
       │        └─ failures in a row, or nothing comes back ──► BREAKER open
       │                                                          │ probes at 1, 2, 4 ... 30 s
       └──── a quarter of the good limit ◄── a probe answered ────┘

- *Overload* (5xx, timeouts): `rejection` says whether it is our doing. If so the limit goes
  below where it began; if it is unclear, the limit dips until it is clear; if it goes on
  below as well, it was chance, and everything is taken back. In a row they open the breaker.
- *A throttle without a time* may mean a cap on requests in flight or a quota. A cap
  lets requests through again as soon as fewer are in flight, so first the limit goes below
  and drains to half; when throttles go on there, or when more than that was let through just
  before, it is a quota.
- *A quota* closes the gate: until the time named, or for half a second doubling (or the
  policy's cooldown, see `cooldown` and `caution`). Then one request goes ahead, and the
  learner measures.
- *A stall* opens the breaker softly: should an old request be answered after all, it was
  slowness, and the limit is what it was.

State
-----
`GovernorState` is frozen, versioned JSON. On a restart gates, breaker, budgets and windows
are honoured; the limit begins at half of what was good and doubles up to it (a warm start).
If the former process did not say goodbye (`final`), it is charged with what it could have
sent in `lost_s` after its last word, so that no window can break.
"""

from __future__ import annotations

import datetime as dt
from math import ceil, inf
from random import Random
from typing import TYPE_CHECKING

from ventil.core.announced import Announced
from ventil.core.breaker import Breaker
from ventil.core.cap import CapOrQuota
from ventil.core.caution import Caution, window_for
from ventil.core.cooldown import Gate
from ventil.core.etiquette import Etiquette
from ventil.core.exchange import Outcome, Verdict
from ventil.core.learner import QuotaLearner
from ventil.core.limit import START, AdaptiveLimit
from ventil.core.permit import Condition, Permit, Wait
from ventil.core.policy import Policy, Reason
from ventil.core.quota import Quota, QuotaImpossible, Windows
from ventil.core.rejection import Cause, Rejections
from ventil.core.snapshot import VERSION, BadGovernorState, GovernorState
from ventil.core.stall import StallWatch

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = [
    "BadGovernorState",
    "Condition",
    "Governor",
    "GovernorState",
    "Permit",
    "Policy",
    "Quota",
    "QuotaImpossible",
    "Reason",
    "Wait",
]

_MOST_GATE_PROBES = 4
_WORKED_ON = frozenset({Verdict.LIVE, Verdict.OVERLOADED})  # these took the provider's time
HESITATE_AFTER = 3
HESITATE_S = 0.1
"""After so many failures in a row the next request waits for so long, or for a live answer:
what is in flight already tells whether it is an outage, and need not be joined by more."""
FRESH_FIRST_S = 1.0
"""For so long a probe that is due is kept for a request that was not tried before."""


class Governor:
    """Decides for one provider key. Not thread-safe: one owner calls it.

    `changes` grows whenever something happened that a restart must know of (a gate, the
    breaker): store the state at once then.

    Raises `BadGovernorState` when `state` is of a version this program does not know.
    """

    def __init__(
        self,
        policy: Policy,
        now_s: float,
        *,
        seed: int = 0,
        state: GovernorState | None = None,
        lost_s: float = 0.5,
    ) -> None:
        self.policy = policy
        self.changes = 0
        self._random = Random(seed)  # noqa: S311 - jitter, no secret
        self._now_s = now_s
        self._windows = Windows(policy.quotas)
        self._announced = Announced(policy.longest_gate_s)
        self._gate = Gate(
            cooldown_s=policy.cooldown_s,
            longest_s=policy.longest_gate_s,
            random=self._random,
        )
        self._breaker = Breaker(
            threshold=policy.breaker_threshold,
            probe_cap_s=policy.probe_cap_s,
            timeout_s=policy.timeout_s,
            random=self._random,
        )
        self._adaptive = policy.adaptive and policy.max_in_flight > 1
        self._limit = AdaptiveLimit(
            floor=policy.min_in_flight,
            most=policy.max_in_flight,
            start=START if self._adaptive else policy.max_in_flight,
        )
        self._rejections = Rejections()
        self._learner = QuotaLearner()
        # Only where a throttle that names no time is known to cost long.
        self._caution: Caution | None = None
        window_s = window_for(policy.cooldown_s, policy.quotas)
        if policy.cooldown_s is not None and window_s is not None:
            self._caution = Caution(window_s, policy.cooldown_s)
        self._stall = StallWatch(now_s)
        self._hesitate_until_s = -inf
        self._kept_probe_s = -inf  # the probe that is kept for a first try
        self._kept_until_s = -inf
        self._trial_of: int | None = None  # in flight of the rejection under trial
        # In flight, when, and what to go back to, when rejections were taken as our doing.
        self._blamed: tuple[int, float, float, float, bool] | None = None
        self._drain_to: int | None = None
        self._cap = CapOrQuota()
        self._episode_s = -inf  # first reply of the running burst of throttles
        self._throughput_before = 0.0  # answers per second before the latest throttle
        self._announced_owed_s = 0.0
        self._open: dict[int, Permit] = {}  # sent and not returned, in the order sent
        self._count = 0  # permits given
        self._weight = 0  # total weight given
        self._retries = 0  # in flight
        self._refused = 0  # in a row
        self._fastest_s = inf
        self._gate_probe_s = 0.0  # when another request may check the gate
        self._verdicts = dict.fromkeys(Verdict, 0)
        self._waited: dict[Reason, float] = {}
        etiquette = Etiquette(policy.latency_objective_s, policy.error_objective)
        self._etiquette = etiquette if etiquette.stated else None
        self._open_until_s = -inf  # by the calendar; not yet looked at
        self._waiting: Reason | None = None
        self._waiting_since_s = now_s
        if state is not None:
            self._restore(state, lost_s)

    # --- decide -------------------------------------------------------------------------

    def admit(
        self,
        now_s: float,
        *,
        pending: int = 1,
        weight: int = 1,
        retry: bool = False,
        record: Hashable = None,
    ) -> Permit | Wait:
        """Leave to send one request of `weight` now, or what to wait for.

        Raises `QuotaImpossible` when the weight never fits into a quota.
        """
        if now_s > self._now_s:
            self._now_s = now_s
        else:
            now_s = self._now_s
        if self._waiting is not None:
            self._account(now_s)
        answer = self._decide(now_s, pending, weight, retry, record)
        if isinstance(answer, Wait):
            self._waiting = answer.reason
            self._waiting_since_s = now_s
        return answer

    def _closed(self, now_s: float) -> Wait | None:
        """What the calendar says; None when it is open, and until when is remembered."""
        calendar = self.policy.calendar
        opens_s, why = calendar.opens(now_s)
        if opens_s > now_s:
            return Wait(opens_s, Reason.CALENDAR, f"{why} until {_clock(opens_s, now_s)}")
        self._open_until_s = calendar.closes(now_s)
        return None

    def _decide(
        self, now_s: float, pending: int, weight: int, retry: bool, record: Hashable
    ) -> Permit | Wait:
        if now_s >= self._open_until_s:
            closed = self._closed(now_s)
            if closed is not None:
                return closed
        gate, breaker = self._gate, self._breaker
        probe = breaker.opened_s is not None
        gate_probe = gate.checking
        if probe or now_s < gate.until_s:
            self._reclaim(now_s)
            wait = self._shut(now_s)
            if wait is not None:
                return wait
            if probe and retry:
                # What was in flight when an outage began are mostly the slow ones: as
                # probes they would tell too late. First tries go before them.
                if self._kept_probe_s != breaker.next_probe_s:
                    self._kept_probe_s = breaker.next_probe_s
                    self._kept_until_s = now_s + FRESH_FIRST_S
                if now_s < self._kept_until_s:
                    return Wait(
                        self._kept_until_s, Reason.RETRY_BUDGET, "a first try probes first"
                    )
        if now_s < self._hesitate_until_s and not probe and breaker.failures >= HESITATE_AFTER:
            return Wait(
                self._hesitate_until_s, Reason.BREAKER, f"{breaker.failures} failures in a row"
            )
        if gate_probe and not probe and gate.probes_out > 0:
            self._reclaim(now_s)
        if gate_probe and not probe and gate.probes_out > 0:
            in_time = (
                gate.probes_out < _MOST_GATE_PROBES and len(self._open) < self._limit.whole
            )
            if not in_time or now_s < self._gate_probe_s:
                return Wait(
                    self._gate_probe_s if in_time else self._lost_from(now_s),
                    Reason.COOLDOWN,
                    f"one request checks whether it is over: {gate.why}",
                )
        etiquette = self._etiquette
        if etiquette is not None and not probe:
            if now_s < etiquette.next_s:
                return Wait(etiquette.next_s, Reason.LATENCY, f"resting: {etiquette.why}")
            if len(self._open) >= etiquette.ceiling:
                return Wait(
                    self._lost_from(now_s),
                    Reason.LATENCY,
                    f"{len(self._open)} in flight, for {etiquette.why}",
                )
        if probe:
            most = self.policy.max_in_flight
        else:
            most = self._limit.whole
            drain_to = self._drain_to
            if drain_to is not None:
                if len(self._open) > drain_to:
                    most = drain_to
                else:
                    self._drain_to = None
        if len(self._open) >= most:
            self._reclaim(now_s)
            if len(self._open) >= most:
                return self._full(now_s, probe)
        if retry and not (probe or gate_probe):
            most = max(1, int(self.policy.retry_share * self._limit.whole))
            if self._retries >= most:
                return Wait(None, Reason.RETRY_BUDGET, f"{self._retries} retries in flight")
        until_s, quota = self._windows.free_from(now_s, weight)
        if not probe:
            learned_s = self._learner.due(now_s, pending)
            if learned_s > until_s:
                return Wait(
                    learned_s,
                    Reason.LEARNED_QUOTA,
                    f"learned quota of {self._learner.rate:.3g}/s",
                )
        caution = self._caution
        if caution is not None and caution.limit is not None:
            cautious_s = caution.due(now_s, weight)
            if cautious_s > until_s:
                return Wait(
                    cautious_s,
                    Reason.LEARNED_QUOTA,
                    f"{caution.limit:.3g} in {caution.window_s:g} s, learned from the ban"
                    f" of {_clock(caution.banned_s, now_s)}",
                )
        announced_s = self._announced.free_from(now_s, self._weight + weight)
        if announced_s <= now_s and not probe and self._announced:
            paced_s = self._announced_owed_s - 0.2
            if paced_s > until_s:
                left = self._announced.left(now_s, self._weight)
                if left is not None and left[0] < pending:
                    return Wait(
                        paced_s,
                        Reason.ANNOUNCED_QUOTA,
                        f"{left[0]:.0f} remaining for {left[1]:.0f} s, by its header fields",
                    )
        if announced_s > until_s:
            return Wait(
                announced_s,
                Reason.ANNOUNCED_QUOTA,
                f"nothing remaining until {_clock(announced_s, now_s)}, by its header fields",
            )
        if until_s > now_s:
            return Wait(until_s, Reason.QUOTA, f"quota {quota} until {_clock(until_s, now_s)}")
        return self._permit(now_s, weight, retry, record, probe, gate_probe and not probe)

    def _full(self, now_s: float, probe: bool) -> Wait:
        """Too many in flight: wait for an answer, unless none comes any more."""
        until_s = self._lost_from(now_s)
        if self._adaptive and not probe:
            stall_s = self._stall.due(len(self._open), self._throughput(self._stall.last_s))
            if now_s >= stall_s:
                self._breaker.open(now_s, "no answers any more", soft=True)
                self._learner.interrupted()
                self.changes += 1
                shut = self._shut(now_s)
                if shut is not None:
                    return shut
            if until_s is None or stall_s < until_s:
                until_s = stall_s
        return Wait(
            until_s if until_s is None or until_s > now_s else now_s + 0.001,
            Reason.CONCURRENCY_LIMIT,
            f"{len(self._open)} in flight",
        )

    def _throughput(self, now_s: float) -> float:
        return self._limit.throughput.rate(1.5 * self._limit.limit, now_s)

    def _shut(self, now_s: float) -> Wait | None:
        """What the breaker and the gate say, the later of the two; None to go on."""
        gate, breaker = self._gate, self._breaker
        if gate.until_s > now_s and (
            breaker.opened_s is None or gate.until_s >= breaker.next_probe_s
        ):
            return Wait(
                gate.until_s,
                Reason.COOLDOWN,
                f"cooldown until {_clock(gate.until_s, now_s)}, {gate.why}",
            )
        if breaker.opened_s is None:
            return None
        probe_s = breaker.probe_from()
        if probe_s <= now_s:
            return None
        since = _clock(breaker.opened_s, now_s)
        if probe_s == inf:
            return Wait(
                self._lost_from(now_s),
                Reason.BREAKER,
                f"open since {since} ({breaker.why}), probe under way",
            )
        return Wait(
            probe_s,
            Reason.BREAKER,
            f"open since {since} ({breaker.why}), next probe {_clock(probe_s, now_s)}",
        )

    def _permit(
        self,
        now_s: float,
        weight: int,
        retry: bool,
        record: Hashable,
        probe: bool,
        gate_probe: bool,
    ) -> Permit:
        self._windows.take(now_s, weight)
        self._count += 1
        self._weight += weight
        permit = Permit(
            self._weight,
            now_s,
            weight,
            retry,
            record,
            len(self._open) + 1,
            self._breaker.generation,
            probe,
            gate_probe,
        )
        in_flight = len(self._open) + 1
        self._learner.begin(now_s)
        self._learner.take(now_s, weight)
        if self._caution is not None:
            self._caution.sent(now_s, weight)
        if self._announced:
            left = self._announced.left(now_s, self._weight)
            if left is not None and left[0] >= 1:
                owed_s = max(self._announced_owed_s, now_s - 0.2)
                self._announced_owed_s = owed_s + 0.9 * left[1] / left[0]
        if self._adaptive:
            self._stall.sent(now_s)
            if not (retry or probe):
                permit.cohort = self._limit.sent(now_s, in_flight)
        self._open[id(permit)] = permit
        if retry:
            self._retries += 1
        if probe:
            self._breaker.probe_sent(now_s)
        elif gate_probe:
            self._gate.probes_out += 1
            self._gate_probe_s = now_s + max(0.5, 3.0 * min(self._limit.base_s or 1.0, 30.0))
        return permit

    # --- learn --------------------------------------------------------------------------

    def settle(self, permit: Permit, now_s: float, outcome: Outcome) -> None:
        """A request is over. Its slot is returned once, however often it is told."""
        if now_s > self._now_s:
            self._now_s = now_s
        else:
            now_s = self._now_s
        if permit.settled:
            return
        permit.settled = True
        self._give_back(permit)
        verdict = outcome.verdict
        self._verdicts[verdict] += 1
        gate, breaker = self._gate, self._breaker
        current = permit.generation == breaker.generation
        if permit.probe and current:
            breaker.probe_back()
        if permit.gate_probe and permit.sent_s >= gate.until_s:
            gate.probes_out = max(0, gate.probes_out - 1)
        if verdict is not Verdict.IGNORED:
            self._stall.completed(now_s)
        cohort = permit.cohort
        if cohort is not None and verdict is not Verdict.LIVE and not cohort.closed:
            self._limit.voided(cohort)
        if outcome.hints and self._announced.tell(now_s, permit.number, outcome.hints):
            self.changes += 1
        etiquette = self._etiquette
        if etiquette is not None and verdict in _WORKED_ON:
            failed = verdict is Verdict.OVERLOADED
            if etiquette.answered(
                now_s, permit.sent_s, failed=failed, in_flight=permit.in_flight
            ):
                self.changes += 1
        if verdict is Verdict.LIVE:
            self._refused = 0
            time_s = now_s - permit.sent_s
            if time_s < self._fastest_s:
                self._fastest_s = time_s
            if breaker.opened_s is not None:
                self._revive(permit, current)
            elif current:
                breaker.live()
            if self._caution is not None:
                waited_out = gate.checking and permit.sent_s < gate.until_s
                self._caution.live(now_s, permit.sent_s, permit.weight, waited_out)
            if gate.checking and gate.live(permit.sent_s):
                self.changes += 1
                self._resume(permit, now_s)
            if self._adaptive:
                self._limit.answered(cohort, now_s, time_s)
                self._rejections.answered(permit.in_flight)
                self._cap.answered(permit.in_flight, permit.sent_s)
                if self._trial_of is not None:
                    self._try(now_s)
                if self._learner.rate is not None:
                    self._learner.look(now_s, self._throughput(now_s))
        elif verdict is Verdict.OVERLOADED:
            if outcome.retry_after_s is not None:
                gate.hold(now_s, outcome.retry_after_s, outcome.detail)
                self.changes += 1
            if current:
                self._overloaded(permit, now_s, outcome.detail)
        elif verdict is Verdict.THROTTLED:
            self._refused = 0
            self._learner.admitted -= permit.weight
            if breaker.opened_s is not None:
                self._revive(permit, current)
            elif current:
                breaker.live()
            self._throttled(permit, now_s, outcome)
        elif verdict is Verdict.REFUSED:
            self._refuse(permit, now_s, outcome, current)

    def _revive(self, permit: Permit, current: bool) -> None:
        """The provider answered while the breaker was open."""
        breaker, limit = self._breaker, self._limit
        if not current:
            if breaker.soft:  # an old request after all: it was slowness, not an outage
                breaker.close()
                self.changes += 1
            return
        if breaker.live():
            self.changes += 1
            if self._adaptive:
                good = limit.good or limit.limit
                limit.restart(max(2.0, good / 4), good)

    def _overloaded(self, permit: Permit, now_s: float, why: str) -> None:
        """A failure may be an outage, our doing, or chance."""
        breaker, limit = self._breaker, self._limit
        threshold = 0
        if self._adaptive:
            threshold = int(min(20.0, limit.limit / 2))
        was_open = breaker.opened_s is not None
        if breaker.overloaded(now_s, permit.record, why, threshold=threshold):
            self._learner.interrupted()
            self.changes += 1
        elif self._adaptive and not was_open:
            if breaker.failures >= HESITATE_AFTER:
                self._hesitate_until_s = now_s + HESITATE_S
            n = permit.in_flight
            cause = self._rejections.rejected(n, permit.sent_s)
            if cause is Cause.OURS:
                below = n - 1 if limit.limit <= 16 else 0.8 * min(limit.limit, n)
                self._lower(now_s, n, below, min(n - 1, 0.95 * n))
            elif cause is Cause.UNCLEAR and self._trial_of is None:
                self._trial_of = n
                limit.hold_down(0.7)
            if self._trial_of is not None:
                self._try(now_s)
            elif (
                self._blamed is not None
                and cause is not Cause.OURS
                and self._rejections.acquitted(self._blamed[0])
            ):
                limit.undo_lower(*self._blamed[2:])
                self._blamed = None

    def _lower(self, now_s: float, n: int, limit: float, ceiling: float) -> None:
        """Rejections are our doing; how it was before is kept, should that prove wrong."""
        it = self._limit
        if self._blamed is None or now_s - self._blamed[1] > 60.0:
            self._blamed = (n, now_s, it.limit, it.ceiling, it.startup)
        it.lower(now_s, limit, ceiling)
        self._rejections.changed(now_s, n)

    def _try(self, now_s: float) -> None:
        """A trial at a lower limit: are there fewer rejections? End it once that is clear."""
        n = self._trial_of
        if n is None:
            return
        cause = self._rejections.cause(n)
        if cause is Cause.UNCLEAR and self._limit.whole < 0.9 * n:
            return  # else the limit has risen meanwhile: no trial any more
        self._trial_of = None
        self._limit.hold_down(1.0)
        if cause is Cause.OURS:
            lower = min(n - 1, 0.95 * n)
            self._lower(now_s, n, lower, lower)

    def _throttled(self, permit: Permit, now_s: float, outcome: Outcome) -> None:
        """A throttle is a quota, or a cap on requests in flight that answers the same way."""
        named_s = outcome.retry_after_s
        silent = self._adaptive and named_s is None and self.policy.cooldown_s is None
        if silent and not (
            self._gate.checking
            or permit.sent_s < self._episode_s
            or self._cap.is_quota(
                now_s,
                permit.in_flight,
                permit.sent_s,
                throughput=self._throughput(now_s),
                rate=self._learner.rate,
            )
        ):
            self._capped(permit, now_s)
            return
        if permit.sent_s >= self._episode_s:
            self._episode_s = now_s
            caution = self._caution
            if caution is not None and named_s is None and not self._gate.checking:
                caution.banned(permit.sent_s)  # else the ban goes on: nothing new
            if caution is None or named_s is not None or caution.gave_up:
                if not self._learner.resuming:
                    self._throughput_before = self._throughput(self._stall.last_s)
                self._learner.throttled(now_s)
            else:
                self._learner.interrupted()
            mistaken = self._cap.mistaken(now_s)
            if mistaken is not None:
                self._limit.undo_lower(*mistaken)
            self._drain_to = None
            self.changes += 1
        self._gate.throttled(now_s, permit.sent_s, named_s, outcome.detail)
        if named_s is not None:
            self._learner.reset_named(now_s + named_s, named_s)

    def _capped(self, permit: Permit, now_s: float) -> None:
        """Assume a cap on requests in flight: fewer, and drain to half as a test."""
        limit, n = self._limit, permit.in_flight
        before = (limit.limit, limit.ceiling, limit.startup)
        if not self._cap.assume(now_s, permit.sent_s, before):
            return
        known = limit.ceiling < self.policy.max_in_flight and limit.ceiling <= n
        below = min(n - 1, 0.97 * n)
        limit.lower(now_s, below, below)
        if not known:
            self._drain_to = max(1, (n - 1) // 2)

    def _resume(self, permit: Permit, now_s: float) -> None:
        """The first answer after a throttle: measure from resume to resume."""
        learner = self._learner
        if learner.resuming:
            since = self._weight - permit.number + permit.weight
            before = self._throughput_before
            learner.resumed(now_s, permit.sent_s, learner.admitted - since, before)
        if self._caution is not None:
            self._caution.resumed(now_s)

    def _refuse(self, permit: Permit, now_s: float, outcome: Outcome, current: bool) -> None:
        """A refusal answers, so the provider is up; many in a row mean us."""
        if current and self._breaker.live():
            self.changes += 1
        self._refused += 1
        threshold = self.policy.refused_threshold
        if self._refused >= threshold:
            if permit.sent_s >= self._gate.closed_s or not self._gate.checking:
                self._gate.banned(now_s, f"{self._refused} refusals in a row")
                self.changes += 1
        elif self._gate.checking and self._gate.live(permit.sent_s):
            self.changes += 1

    def _give_back(self, permit: Permit) -> None:
        if permit.returned:
            return
        permit.returned = True
        del self._open[id(permit)]
        if permit.retry:
            self._retries -= 1

    def _reclaim(self, now_s: float) -> None:
        """Take back the slots of requests that must be over and were never settled."""
        while self._open:
            oldest = next(iter(self._open.values()))
            if now_s < self._lost_after(oldest):
                return
            self._give_back(oldest)
            if oldest.probe and oldest.generation == self._breaker.generation:
                self._breaker.probe_back()
            if oldest.gate_probe:
                self._gate.probes_out = max(0, self._gate.probes_out - 1)

    def _lost_after(self, permit: Permit) -> float:
        return permit.sent_s + 1.5 * self.policy.timeout_s + 10.0

    def _lost_from(self, now_s: float) -> float | None:
        """When the oldest request counts as lost; None when nothing is in flight."""
        for oldest in self._open.values():
            return max(now_s, self._lost_after(oldest))
        return None

    # --- tell ---------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Requests sent and not settled."""
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether the limit on requests in flight is reached: only a settle makes room."""
        return len(self._open) >= self._limit.whole

    def _account(self, now_s: float) -> None:
        reason = self._waiting
        if reason is not None:
            waited_s = now_s - self._waiting_since_s
            if waited_s > 0:
                self._waited[reason] = self._waited.get(reason, 0.0) + waited_s
            self._waiting = None

    def condition(self, now_s: float) -> Condition:
        """What a person wants to know. Changes nothing."""
        now_s = max(now_s, self._now_s)
        gate, breaker = self._gate, self._breaker
        gated = gate.until_s > now_s
        shut = self._shut(now_s) if gated or breaker.is_open else None
        opens_s, closed = self.policy.calendar.opens(now_s)
        if shut is not None:
            words = shut.detail if shut.reason is Reason.COOLDOWN else f"breaker {shut.detail}"
        elif opens_s > now_s:
            words = f"{closed} until {_clock(opens_s, now_s)}"
        elif gate.checking:
            words = f"one request checks whether it is over: {gate.why}"
        else:
            words = f"{len(self._open)} in flight of at most {self._limit.whole}"
            if self._learner.rate is not None:
                words += f", learned quota of {self._learner.rate:.3g}/s"
        half = breaker.is_open and breaker.probes_out > 0
        return Condition(
            words=words,
            in_flight=len(self._open),
            limit=self._limit.whole,
            breaker="half-open" if half else "open" if breaker.is_open else "closed",
            next_probe_s=breaker.next_probe_s if breaker.is_open else None,
            gate_until_s=gate.until_s if gated else None,
            sent=self._count,
            verdicts={str(verdict): n for verdict, n in self._verdicts.items()},
            waited_s=dict(self._waited),
            throughput=self._throughput(now_s) or None,
            learned_rate=self._learner.rate,
            base_s=self._limit.base_s,
            queue=None if self._limit.base_s is None else self._limit.queue,
            ceiling=int(self._limit.ceiling)
            if self._limit.ceiling < self.policy.max_in_flight
            else None,
        )

    def state(self, now_s: float, *, final: bool = False) -> GovernorState:
        """A frozen snapshot. `final` promises that this process sends nothing after it."""
        now_s = max(now_s, self._now_s)
        return GovernorState(
            version=VERSION,
            stamp_s=now_s,
            final=final,
            windows=self._windows.snapshot(),
            announced=self._announced.snapshot(self._weight),
            gate=self._gate.snapshot(),
            breaker=self._breaker.snapshot(),
            limit=self._limit.snapshot() if self._adaptive else None,
            learner=self._learner.snapshot(),
            caution=None if self._caution is None else self._caution.snapshot(),
            refused=self._refused,
            fastest_s=None if self._fastest_s == inf else self._fastest_s,
        )

    def _restore(self, state: GovernorState, lost_s: float) -> None:
        """Go on from a former process's state, which may have sent more for `lost_s`.

        A stamp in the future means that the clock was set back: then no time has passed.
        """
        if state.version > VERSION:
            raise BadGovernorState(f"governor state has version {state.version}")
        now_s = self._now_s
        shift_s = min(0.0, now_s - state.stamp_s)
        self._windows.restore(state.windows, shift_s=shift_s, now_s=now_s)
        self._gate.restore(state.gate, shift_s=shift_s, now_s=now_s)
        self._breaker.restore(state.breaker, shift_s=shift_s, now_s=now_s)
        self._refused = max(0, state.refused)
        if self._caution is not None and state.caution is not None:
            self._caution.restore(state.caution, shift_s=shift_s, now_s=now_s)
        if self._adaptive:
            if state.limit is not None:
                self._limit.restore(state.limit, age_s=now_s - state.stamp_s)
            if state.learner is not None:
                self._learner.restore(state.learner, shift_s=shift_s, now_s=now_s)
        lost = 0.0
        if not state.final and lost_s > 0:
            # Each slot can have been used again no faster than any answer ever came,
            # with a margin of four for the answers that nobody has seen.
            lost = inf
            if state.fastest_s is not None and state.fastest_s > 0:
                rounds = 1 + ceil(4.0 * lost_s / state.fastest_s)
                lost = float(self.policy.max_in_flight * rounds)
                self._fastest_s = state.fastest_s
            at_s = min(now_s, state.stamp_s + shift_s + lost_s)
            self._windows.charge_lost(at_s, lost_s, lost)
        self._announced.restore(state.announced, lost=lost, shift_s=shift_s, now_s=now_s)


def _clock(moment_s: float, now_s: float) -> str:
    """A moment as people read it: 14:05 UTC, with seconds when near, with a date when far."""
    try:
        moment = dt.datetime.fromtimestamp(moment_s, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{moment_s:.0f}"
    away_s = abs(moment_s - now_s)
    if away_s < 120:
        return moment.strftime("%H:%M:%S UTC")
    return moment.strftime("%H:%M UTC" if away_s < 72_000 else "%Y-%m-%d %H:%M UTC")
