"""What a user or a provider's profile lays down; everything else is found out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING

from ventil.core.calendar import ALWAYS_OPEN, Calendar
from ventil.errors import SettingError

if TYPE_CHECKING:
    from ventil.core.quota import Quota


class Reason(StrEnum):
    """Why a request has to wait, in words for people."""

    QUOTA = "quota"
    LEARNED_QUOTA = "learned quota"
    ANNOUNCED_QUOTA = "announced quota"  # the provider's rate-limit header fields
    CONCURRENCY_LIMIT = "concurrency limit"
    LATENCY = "provider latency"  # the latency or error objective holds the limit down
    RETRY_BUDGET = "retry budget"
    COOLDOWN = "cooldown"
    BREAKER = "breaker"
    CALENDAR = "calendar"
    PAUSED = "paused"  # the engine's: a person paused the provider
    RETRY_DELAY = "retry delay"  # the engine's: only failed records are left, for later
    LEASE = "lease"  # a worker's: what the pacer grants is on its way
    OWN_CPU = "own CPU"  # the engine's: this process could not keep up


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for one provider. The defaults suit a provider nothing is known of.

    `quotas`: every one of them is kept. `max_in_flight`: ceiling of requests in flight,
    and, when not `adaptive`, the limit itself; `min_in_flight`: floor of the adaptive limit.
    `cooldown_s`: pause after a throttle or ban that names no time; None means find it out,
    from half a second up. `timeout_s`: the client's own timeout, after which a request is
    surely settled. `breaker_threshold`: overloads in a row that open the breaker.
    `refused_threshold`: refusals in a row that are taken as a ban. `longest_gate_s`: no
    provider can stop us for longer than this without being asked again. `retry_share`: part
    of the requests in flight that may be retries (at least one may always be). `calendar`:
    the hours at which requests may go at all. `latency_objective_s`, `error_objective`: the
    usual answer time, and the share of failures (0 to 1), above which we hold back; None for
    none. See `etiquette`.
    """

    quotas: tuple[Quota, ...] = ()
    max_in_flight: int = 1000
    min_in_flight: int = 1
    adaptive: bool = True
    cooldown_s: float | None = None
    timeout_s: float = 90.0
    breaker_threshold: int = 5
    refused_threshold: int = 12
    probe_cap_s: float = 30.0
    longest_gate_s: float = 86_400.0
    retry_share: float = 0.25
    calendar: Calendar = ALWAYS_OPEN
    latency_objective_s: float | None = None
    error_objective: float | None = None

    def __post_init__(self) -> None:
        for name in (
            "max_in_flight",
            "min_in_flight",
            "timeout_s",
            "breaker_threshold",
            "refused_threshold",
            "probe_cap_s",
            "longest_gate_s",
        ):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0):
                raise SettingError(f"{name} must be a number above 0, not {value!r}")
        if self.cooldown_s is not None and not (
            isfinite(self.cooldown_s) and self.cooldown_s > 0
        ):
            raise SettingError(f"cooldown_s must be above 0, not {self.cooldown_s!r}")
        if self.min_in_flight > self.max_in_flight:
            raise SettingError(
                f"min_in_flight {self.min_in_flight} is above "
                f"max_in_flight {self.max_in_flight}"
            )
        latency_s, errors = self.latency_objective_s, self.error_objective
        if latency_s is not None and not (isfinite(latency_s) and latency_s > 0):
            raise SettingError(f"latency_objective_s must be above 0, not {latency_s!r}")
        if errors is not None and not 0 <= errors < 1:
            raise SettingError(f"error_objective must be 0 or more and below 1, not {errors!r}")
        if not 0 < self.retry_share <= 1:
            raise SettingError(
                f"retry_share must be above 0 and at most 1, not {self.retry_share!r}"
            )
