"""How long to wait before trying again: schedules as plain functions.

Nothing here sleeps or reads a clock; chance comes from the generator that is passed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


def probe_interval_s(since_open_s: float, cap_s: float) -> float:
    """Seconds from one probe of a dead provider to the next, without jitter.

    A function of the time since the breaker opened, not of the probes sent, so that a
    prober that was blocked does not keep the short early steps. From 0 it walks
    1, 2, 4, 8, 16, cap, cap ...: each interval is the time that has passed, plus one.
    """
    return min(cap_s, max(since_open_s, 0.0) + 1.0)


def throttle_wait_s(step: int, throttled_for_s: float, cap_s: float = 5.0) -> float:
    """Seconds to hold still after a throttle that named no time, without jitter.

    `step` counts throttled probes since the last live answer, `throttled_for_s` the time
    since it. Half a second, doubling up to `cap_s`; from then on a tenth of the time that
    has passed, so that a ban of an hour is not knocked at every five seconds.
    """
    return max(min(cap_s, 0.5 * 2.0 ** min(step, 30)), 0.1 * throttled_for_s)


def retry_delay_s(attempt: int, random: Random) -> float:
    """Seconds before a failed record re-enters the queue; `attempt` >= 1 counts tries made.

    The paced queue does the spacing, so the first three come back almost at once (0.05 s);
    from the fourth on full jitter over min(20, 0.5 * 2^attempt) keeps a poison record from
    circling.
    """
    if attempt < 4:
        return 0.05
    return random.uniform(0.0, min(20.0, 0.5 * 2.0 ** min(attempt, 30)))


def jittered(value_s: float, share: float, random: Random) -> float:
    """`value_s` changed by at most +- `share` of itself."""
    return value_s * (1.0 + share * (2.0 * random.random() - 1.0))
