"""What a governor is made of: the parts, and the books that belong to none of them.

`admission` asks the parts whether a request may go, `settlement` (with `overload` and
`throttling`) tells them what became of it, `restart` stores them, `condition` describes
them. Whoever reads one of these needs this list beside it, and nothing else.
"""

from __future__ import annotations

from math import inf
from random import Random
from typing import TYPE_CHECKING

from ventil.core.announced import Announced
from ventil.core.breaker import Breaker
from ventil.core.cap import CapOrQuota
from ventil.core.caution import Caution, window_for
from ventil.core.cooldown import Gate
from ventil.core.etiquette import Etiquette
from ventil.core.exchange import Verdict
from ventil.core.learner import QuotaLearner
from ventil.core.limit import START, AdaptiveLimit
from ventil.core.rejection import Rejections
from ventil.core.stall import StallWatch
from ventil.core.uses import Uses

if TYPE_CHECKING:
    from ventil.core.permit import Permit
    from ventil.core.policy import Policy, Reason


class Parts:
    """Mutable; one governor's own. Times are seconds since the epoch."""

    __slots__ = (
        "adaptive",
        "alone_s",
        "announced",
        "announced_owed_s",
        "blamed",
        "breaker",
        "cap",
        "caution",
        "changes",
        "count",
        "drain_to",
        "episode_s",
        "etiquette",
        "fastest_s",
        "gate",
        "gate_probe_s",
        "hesitate_until_s",
        "kept_probe_s",
        "kept_until_s",
        "learner",
        "limit",
        "lost",
        "now_s",
        "open",
        "open_until_s",
        "policy",
        "random",
        "refused",
        "rejections",
        "retries",
        "sends_at_once",
        "stall",
        "throughput_before",
        "trial_of",
        "uses",
        "verdicts",
        "waited",
        "waiting",
        "waiting_since_s",
        "weight",
    )

    def __init__(self, policy: Policy, now_s: float, seed: int) -> None:
        self.policy = policy
        self.now_s = now_s  # the latest time seen
        self.changes = 0  # what a restart must know of, counted
        self.random = Random(seed)  # noqa: S311 - jitter, no secret
        self.adaptive = policy.adaptive and policy.max_in_flight > 1
        self.open_until_s = -inf  # by the calendar; not yet looked at

        # Requests in flight, and all those before.
        self.open: dict[int, Permit] = {}  # sent and not returned, in the order sent
        self.lost = 0  # of these, taken for lost: they hold no slot of the limit
        self.retries = 0  # in flight
        # From when on retries may have all slots, if no first try is asked for before.
        self.alone_s: float | None = None
        self.count = 0  # permits given
        self.weight = 0  # total weight given
        self.verdicts = dict.fromkeys(Verdict, 0)
        self.fastest_s = inf
        self.limit = AdaptiveLimit(
            floor=policy.min_in_flight,
            most=policy.max_in_flight,
            start=START if self.adaptive else policy.max_in_flight,
        )
        etiquette = Etiquette(policy.latency_objective_s, policy.error_objective)
        self.etiquette = etiquette if etiquette.stated else None

        # Outages and other failures: `overload`.
        self.breaker = Breaker(
            threshold=policy.breaker_threshold,
            probe_cap_s=policy.probe_cap_s,
            timeout_s=policy.timeout_s,
            random=self.random,
        )
        self.stall = StallWatch(now_s)
        self.kept_probe_s = -inf  # the probe that is kept for a first try
        self.kept_until_s = -inf
        self.hesitate_until_s = -inf
        self.rejections = Rejections()
        self.trial_of: int | None = None  # in flight of the rejection under trial
        # In flight, when, and what to go back to, when rejections were taken as our doing.
        self.blamed: tuple[int, float, float, float, bool] | None = None
        self.refused = 0  # in a row

        # Throttles, quotas and caps: `throttling`.
        self.gate = Gate(
            cooldown_s=policy.cooldown_s,
            longest_s=policy.longest_gate_s,
            random=self.random,
        )
        self.gate_probe_s = 0.0  # when another request may check the gate
        self.cap = CapOrQuota()
        self.drain_to: int | None = None  # in flight, for the test of a cap
        self.episode_s = -inf  # first reply of the running burst of throttles
        self.throughput_before = 0.0  # answers per second before the latest throttle
        self.uses = Uses(policy.quotas)
        self.sends_at_once = True  # else permits are passed on, and used later
        self.learner = QuotaLearner()
        # Only where a throttle that names no time is known to cost long.
        self.caution: Caution | None = None
        window_s = window_for(policy.cooldown_s, policy.quotas)
        if policy.cooldown_s is not None and window_s is not None:
            self.caution = Caution(window_s, policy.cooldown_s)
        self.announced = Announced(policy.longest_gate_s)
        self.announced_owed_s = 0.0  # when the next request is due, spread over the budget

        # What limits me: seconds waited by reason, and the wait that runs.
        self.waited: dict[Reason, float] = {}
        self.waiting: Reason | None = None
        self.waiting_since_s = now_s

    # --- requests in flight -------------------------------------------------------------

    def give_back(self, permit: Permit) -> None:
        """Return the slot of a request, once."""
        if permit.returned:
            return
        permit.returned = True
        del self.open[id(permit)]
        if permit.use:
            self.uses.ended(permit.use, self.now_s)
        if permit.lost:
            self.lost -= 1
            return
        if permit.retry:
            self.retries -= 1

    def reclaim(self, now_s: float) -> None:
        """Take back the slots of requests that must be over and were never settled."""
        while self.open:
            oldest = next(iter(self.open.values()))
            if now_s < self._lost_after(oldest):
                return
            self.give_back(oldest)
            self.probe_over(oldest)

    def probe_over(self, permit: Permit) -> bool:
        """Neither the breaker nor the gate waits for it any more. Whether the breaker did."""
        probed = permit.probe and permit.generation == self.breaker.generation
        if probed:
            self.breaker.probe_back()
        if permit.gate_probe and permit.sent_s >= self.gate.until_s:
            self.gate.probes_out = max(0, self.gate.probes_out - 1)
        permit.probe = permit.gate_probe = False  # it may come back late: count it once
        return probed

    def _lost_after(self, permit: Permit) -> float:
        return permit.sent_s + 1.5 * self.policy.timeout_s + 10.0

    def lost_from(self, now_s: float) -> float | None:
        """When the oldest request counts as lost; None when nothing is in flight."""
        for oldest in self.open.values():
            return max(now_s, self._lost_after(oldest))
        return None

    @property
    def slots(self) -> int:
        """Slots of the limit that are taken: requests in flight without those lost."""
        return len(self.open) - self.lost

    def write_off(self, before_s: float) -> None:
        """What was sent before this moment of a stall is lost: it holds no slot any more."""
        for permit in self.open.values():
            if permit.sent_s < before_s and not permit.lost:
                permit.lost = True
                self.lost += 1
                self.retries -= permit.retry

    def write_back(self) -> None:
        """One of those taken for lost was answered: none of them is."""
        for permit in self.open.values():
            if permit.lost:
                permit.lost = False
                self.retries += permit.retry
        self.lost = 0

    def throughput(self, now_s: float) -> float:
        """Answers per second over about one and a half rounds; 0.0 before the second."""
        return self.limit.throughput.rate(1.5 * self.limit.limit, now_s)
