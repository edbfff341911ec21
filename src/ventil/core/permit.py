"""What a governor answers: leave to send, or what to wait for; and its condition in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from ventil.core.cohort import Cohort
    from ventil.core.policy import Reason


class Permit:
    """Leave to send one request now. Hand it back to `Governor.settle` exactly once."""

    __slots__ = (
        "cohort",
        "gate_probe",
        "generation",
        "in_flight",
        "number",
        "probe",
        "record",
        "retry",
        "returned",
        "sent_s",
        "settled",
        "weight",
    )

    def __init__(
        self,
        number: int,
        sent_s: float,
        weight: int,
        retry: bool,
        record: Hashable,
        in_flight: int,
        generation: int,
        probe: bool,
        gate_probe: bool,
    ) -> None:
        self.number = number
        self.sent_s = sent_s
        self.weight = weight
        self.retry = retry
        self.record = record
        self.in_flight = in_flight
        self.generation = generation
        self.probe = probe
        self.gate_probe = gate_probe
        self.cohort: Cohort | None = None
        self.returned = False
        self.settled = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now. Ask again at `until_s` or after the next settle, whichever is first.

    `until_s` None: only a settle can change it. `detail` is for people, and names the
    provider's reason ("cooldown until 14:05 UTC, 429 without Retry-After").
    """

    until_s: float | None
    reason: Reason
    detail: str


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
