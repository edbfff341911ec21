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
  there is one: retries may use a quarter of the slots, and probes are first tries. When
  none is asked for in three seconds, retries may use all.
- An `Outcome` is a verdict with what the reply said about time: 200 and the likes of 404 are
  `LIVE`; 429 is `THROTTLED` with `retry_after_s` (None when it named none); 5xx, a timeout
  (after `Policy.timeout_s`) and a broken connection are `OVERLOADED`; rate-limit header
  fields go along as `hints`. For HTTP, `core.outcome.judge_http` makes one of a reply.
- `Policy()` suits a provider nothing is known of, from a cold start.
- `state()` may be taken at any moment. While sending, store it at least every `lost_s`
  seconds and whenever `changes` has grown; after the last settle store `state(final=True)`.

What decides
------------
In this order: calendar, breaker, gate, objectives, limit on requests in flight, retry
budget, quotas (stated, learned, learned from a ban, announced). A request goes when none
objects; otherwise the wait names what objects, and until when. The module `admission` reads
like this list.

Theory of operation
-------------------
Six signals, each used only for what it can identify:

| signal | tells | does not tell | part |
|---|---|---|---|
| answer time, low quantile of cohorts | our queue at the provider | quotas | `limit` |
| rejections against requests in flight | a full queue or chance | its size | `rejection` |
| throttles, from resume to resume | the rate of a quota | concurrency | `learner` |
| what header fields announce | what is left, until when | what others use | `announced` |
| a ban that names no time | the limit of a window, once | the window | `caution` |
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
  policy's cooldown, see `cooldown`). Then one request goes ahead, and the learner measures.
- *Caution*: where the policy says that such a pause is long (a ban), looking for the quota
  from above would cost one each time. There one ban is the lesson: what was let through in
  the window before it is kept as a quota.
- *A stall* opens the breaker softly: should an old request be answered after all, it was
  slowness, and the limit is what it was.

Where what is
-------------
`parts` lists all that a governor holds; `admission` decides, `settlement` learns from an
answer (a failure in `overload`, a throttle in `throttling`), `restart` stores and restores,
`condition` describes. The parts named above are read, tested and replaced alone.

State
-----
`GovernorState` is frozen, versioned JSON. On a restart gates, breaker, budgets and windows
are honoured; the limit begins at half of what was good and doubles up to it (a warm start).
If the former process did not say goodbye (`final`), it is charged with what it could have
sent in `lost_s` after its last word, so that no window can break.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ventil.core import restart, throttling
from ventil.core.admission import decide
from ventil.core.condition import Condition, describe
from ventil.core.exchange import ANSWERED, Verdict
from ventil.core.parts import Parts
from ventil.core.permit import Permit, Wait
from ventil.core.policy import Policy, Reason
from ventil.core.quota import Quota, QuotaImpossible
from ventil.core.settlement import learn
from ventil.core.snapshot import BadGovernorState, GovernorState

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ventil.core.exchange import Outcome

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


class Governor:
    """Decides for one provider key. Not thread-safe: one owner calls it.

    `parts` is what it is made of: to look at, and to be replaced in experiments only.

    Raises `BadGovernorState` when `state` is of a version this program does not know.
    """

    __slots__ = ("parts",)

    def __init__(
        self,
        policy: Policy,
        now_s: float,
        *,
        seed: int = 0,
        state: GovernorState | None = None,
        lost_s: float = 0.5,
    ) -> None:
        self.parts = Parts(policy, now_s, seed)
        if state is not None:
            restart.restore(self.parts, state, lost_s)

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
        it = self.parts
        if now_s > it.now_s:
            it.now_s = now_s
        else:
            now_s = it.now_s
        reason = it.waiting
        if reason is not None:
            it.waiting = None
            waited_s = now_s - it.waiting_since_s
            if waited_s > 0:
                it.waited[reason] = it.waited.get(reason, 0.0) + waited_s
        if not retry:
            it.alone_s = None
        answer = decide(it, now_s, pending, weight, retry, record)
        if isinstance(answer, Wait):
            it.waiting = answer.reason
            it.waiting_since_s = now_s
        return answer

    def settle(self, permit: Permit, now_s: float, outcome: Outcome) -> None:
        """A request is over. Its slot is returned once, however often it is told."""
        it = self.parts
        if now_s > it.now_s:
            it.now_s = now_s
        else:
            now_s = it.now_s
        if not permit.settled:
            permit.settled = True
            if permit.use and outcome.verdict in ANSWERED:
                it.uses.answered(permit.use, now_s, opening=True)
            it.give_back(permit)
            learn(it, permit, now_s, outcome)

    def overhear(self, at_s: float, sent_s: float, outcome: Outcome) -> None:
        """A request that was not admitted here was told at `at_s` to come later.

        Others send to this provider, too: those that a former governor let out. Only a
        throttle or a Retry-After says anything; see `throttling.overheard`.
        """
        if outcome.verdict is Verdict.THROTTLED or outcome.retry_after_s is not None:
            self.parts.now_s = max(self.parts.now_s, at_s)
            throttling.overheard(self.parts, at_s, sent_s, outcome)

    # --- tell ---------------------------------------------------------------------------

    @property
    def policy(self) -> Policy:
        """The rules it was given."""
        return self.parts.policy

    @property
    def changes(self) -> int:
        """Grows whenever something happened that a restart must know of.

        A gate, the breaker, a budget spent: store the state at once then.
        """
        return self.parts.changes

    @property
    def in_flight(self) -> int:
        """Requests sent and not settled."""
        return len(self.parts.open)

    @property
    def limit(self) -> int:
        """Requests in flight that the adaptive limit allows at present."""
        return self.parts.limit.whole

    @property
    def full(self) -> bool:
        """Whether the limit on requests in flight is reached: only a settle makes room."""
        it = self.parts
        return it.slots >= it.limit.whole or len(it.open) >= it.policy.max_in_flight

    @property
    def now_s(self) -> float:
        """The latest time it has seen."""
        return self.parts.now_s

    def unbound(self, now_s: float, until_s: float, answer_s: float) -> bool:
        """Whether until then only the limit of requests in flight is likely to object.

        And that its answers come within *answer_s* seconds.
        """
        it = self.parts
        base_s = it.limit.base_s if it.adaptive else it.fastest_s
        return (
            base_s is not None
            and base_s <= answer_s
            and now_s < it.open_until_s
            and until_s <= it.open_until_s
            and it.breaker.opened_s is None
            and not it.breaker.failures
            and not it.gate.checking
            and now_s >= it.gate.until_s
            and it.etiquette is None
            and it.drain_to is None
            and it.learner.rate is None
            and (it.caution is None or it.caution.limit is None)
            and not it.announced
            and not it.policy.quotas
        )

    def passed_on(self) -> None:
        """Permits are passed on and used later: who does it knows when requests arrive.

        Quotas hold here for the permits all the same: by one clock, in which there is no
        error of another's.
        """
        self.parts.sends_at_once = False

    def told_together(self, span_s: float) -> None:
        """Answers are told of together from now on, as late as a part of *span_s*."""
        self.parts.limit.throughput.least_s = span_s

    def unmeasured(self) -> None:
        """What is admitted next went out under another limit: its time says nothing."""
        self.parts.limit.unmeasured()

    @property
    def breaker_open(self) -> bool:
        """Whether only probes go out at present."""
        return self.parts.breaker.is_open

    def condition(self, now_s: float) -> Condition:
        """What a person wants to know. Changes nothing."""
        return describe(self.parts, max(now_s, self.parts.now_s))

    def state(self, now_s: float, *, final: bool = False) -> GovernorState:
        """A frozen snapshot. `final` promises that this process sends nothing after it."""
        return restart.snapshot(self.parts, max(now_s, self.parts.now_s), final=final)
