"""A governor's condition for people: in a line of words, and in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ventil.core.admission import shut
from ventil.core.moment import clock_words
from ventil.core.policy import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ventil.core.parts import Parts


@dataclass(frozen=True, slots=True)
class Condition:
    """A governor's condition, in words and numbers, for a person.

    `words` is one line. `limit` is the present limit on requests in flight. Times are
    seconds since the epoch, None when there is no such thing now. `waited_s` sums the time
    that requests stood waiting, by reason. The last five are what was learned so far:
    answers per second, the learned quota in requests per second, the lower quartile of the
    answer time without a queue, our requests estimated to wait in the provider's queue, and
    the ceiling that rejections have set. None: not known, or not adaptive.
    """

    words: str
    in_flight: int
    limit: int
    breaker: str
    next_probe_s: float | None
    gate_until_s: float | None
    sent: int
    verdicts: Mapping[str, int]
    waited_s: Mapping[Reason, float] = field(default_factory=dict)
    throughput: float | None = None
    learned_rate: float | None = None
    base_s: float | None = None
    queue: float | None = None
    ceiling: int | None = None


def describe(it: Parts, now_s: float) -> Condition:
    """The condition at `now_s`, the latest time seen or later. Changes nothing."""
    gate, breaker = it.gate, it.breaker
    gated = gate.until_s > now_s
    closed = shut(it, now_s) if gated or breaker.is_open else None
    opens_s, why = it.policy.calendar.opens(now_s)
    if closed is not None:
        words = (
            closed.detail if closed.reason is Reason.COOLDOWN else f"breaker {closed.detail}"
        )
    elif opens_s > now_s:
        words = f"{why} until {clock_words(opens_s, now_s)}"
    elif gate.checking:
        words = f"one request checks whether it is over: {gate.why}"
    else:
        words = f"{it.slots} in flight of at most {it.limit.whole}"
        if it.lost:
            words += f", and {it.lost} that were lost in a stall"
        if it.learner.rate is not None:
            words += f", learned quota of {it.learner.rate:.3g}/s"
    half = breaker.is_open and breaker.probes_out > 0
    return Condition(
        words=words,
        in_flight=len(it.open),
        limit=it.limit.whole,
        breaker="half-open" if half else "open" if breaker.is_open else "closed",
        next_probe_s=breaker.next_probe_s if breaker.is_open else None,
        gate_until_s=gate.until_s if gated else None,
        sent=it.count,
        verdicts={str(verdict): n for verdict, n in it.verdicts.items()},
        waited_s=dict(it.waited),
        throughput=it.throughput(now_s) or None,
        learned_rate=it.learner.rate,
        base_s=it.limit.base_s,
        queue=None if it.limit.base_s is None else it.limit.queue,
        ceiling=int(it.limit.ceiling) if it.limit.ceiling < it.policy.max_in_flight else None,
    )
