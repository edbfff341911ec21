"""What a governor answers: leave to send, or what to wait for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ventil.core.cohort import Cohort
    from ventil.core.policy import Reason


class Permit:
    """Leave to send one request now. Hand it back to `Governor.settle` exactly once."""

    __slots__ = (
        "cohort",
        "gate_probe",
        "generation",
        "in_flight",
        "lost",
        "number",
        "probe",
        "record",
        "retry",
        "returned",
        "sent_s",
        "settled",
        "use",
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
        self.use = 0  # its number in the books of quotas, 0 when it is in none
        self.lost = False  # taken for lost; see `Parts.write_off`
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
