"""The adaptive limit on requests in flight: as many as the provider works on, and few more.

What it estimates is the number of *our* requests that wait in the provider's queue. By
Little's law that is throughput X times the delay D that queueing adds; D is how far a send
cohort's low quantile (see `cohort`) lies above a floor, `base`. Unlike the answer time
itself, q = X * D means the same for answers of 5 ms and of 70 s: so many are too many.

::

             q large, or ssthresh, or ceiling
    STARTUP ────────────────────────────────► STEADY ──► q > high: smaller, by the queue seen
    doubles each cohort                        │  ▲      q < low and the limit in use: larger
                                               ▼  │      between: leave it
                                               DIP       now and then a cohort at three
                                                         quarters of the limit (see below)

Three things keep the floor honest:
- *Responsiveness.* A queue of ours shrinks when the limit does. If it was cut to six
  tenths and D did not follow, the delay is not our queue (slower records, a longer way):
  the floor moves up and the limit comes back.
- *Dip.* A queue that stood there from the beginning is part of the floor and so invisible. A
  cohort at a lower limit shows it.
- Cohorts that began before the last change of the limit do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from ventil.core.cohort import Cohort, Pool, Throughput

START = 4.0
DIP_EVERY_S = 30.0
DIP_SHARE = 0.75
DIP_COST = 50.0  # a dip is repeated so rarely that it costs a fiftieth at most
RELAX_AFTER_S = 30.0
RELAX_EVERY_S = 10.0
_MOST_COHORTS = 8


@dataclass(slots=True)
class Reference:
    """Where the limit, the queue and the delay stood when a large queue was first seen.

    `seen` cohorts since then, at lower limits, had the mean value `value_s`.
    """

    limit: float
    queue: float
    delay_s: float
    seen: int = 0
    value_s: float = 0.0


class AdaptiveLimit:
    """Mutable; told of sends and answers by the governor.

    `now` (property `whole`) is what counts: the whole number of requests allowed in flight.
    """

    __slots__ = (
        "_bumps",
        "_busy_from",
        "_cohorts",
        "_dip_from_s",
        "_dip_value_s",
        "_filling",
        "_floor",
        "_growth",
        "_held",
        "_hint_only",
        "_most",
        "_next_dip_s",
        "_pool",
        "_ref",
        "_relax_s",
        "_skip",
        "base_s",
        "ceiling",
        "dip_ends_s",
        "dip_share",
        "good",
        "limit",
        "queue",
        "sigma_s",
        "ssthresh",
        "startup",
        "throughput",
        "whole",
    )

    def __init__(self, *, floor: int, most: int, start: float = START) -> None:
        self._floor = float(floor)
        self._most = float(most)
        self.limit = min(max(start, self._floor), self._most)
        self.ceiling = self._most
        self.startup = True
        self.ssthresh = self._most
        self.base_s: float | None = None
        self.sigma_s = 0.0
        self.good = 0.0
        self.queue = 0.0
        self.throughput = Throughput()
        self.dip_share = 1.0
        self.dip_ends_s = 0.0
        self._next_dip_s = 0.0
        self._dip_from_s = 0.0
        self._dip_value_s: float | None = None  # of the dip's first cohort, if it was low
        self._growth = 0.05
        self._hint_only = False
        self._ref: Reference | None = None
        self._pool = Pool()
        self._skip = 0
        self._relax_s = 0.0
        self._bumps = 0
        self._cohorts: list[Cohort] = []
        self._filling: Cohort | None = None
        self._held = 1.0
        self.whole = 1
        self._busy_from = 1.0
        self._apply()

    @property
    def _size(self) -> int:
        """Members of a cohort: most of a round."""
        return int(min(max(0.75 * self.limit, 12.0), 64.0))

    # --- told by the governor -----------------------------------------------------------

    def sent(self, now_s: float, in_flight: int) -> Cohort | None:
        """A first attempt goes out as the `in_flight`-th. Its cohort; None: not measured."""
        if self._skip > 0:
            self._skip -= 1
            return None
        cohort = self._filling
        if cohort is None:
            if len(self._cohorts) >= _MOST_COHORTS:
                return None
            cohort = self._filling = Cohort(self._size, now_s)
            self._cohorts.append(cohort)
        cohort.sent += 1
        cohort.last_sent_s = now_s
        if in_flight >= self._busy_from:
            cohort.busy += 1
        if cohort.sent >= cohort.size:
            self._filling = None
        return cohort

    def unmeasured(self) -> None:
        """The next first attempt is not measured."""
        self._skip = max(self._skip, 1)

    def voided(self, cohort: Cohort) -> None:
        """A member ended without a service time."""
        cohort.void += 1
        if cohort.hopeless and not cohort.closed:
            cohort.closed = True
            self._cohorts.remove(cohort)
            if self._filling is cohort:
                self._filling = None

    def answered(self, cohort: Cohort | None, now_s: float, time_s: float) -> None:
        """A request was answered after `time_s`; the limit may change."""
        self.throughput.answered(now_s)
        if cohort is not None and not cohort.closed:
            cohort.answered(time_s)
        for it in self._cohorts:
            final = it.final(now_s)
            if final is not None:
                it.closed = True
                self._cohorts.remove(it)
                self._judge(now_s, it, *final)
                break
        if self.dip_share < 1.0 and now_s > self.dip_ends_s:
            self._end_dip()

    # --- decide -------------------------------------------------------------------------

    def _judge(self, now_s: float, cohort: Cohort, value_s: float, error_s: float) -> None:
        if not self.sigma_s:
            self.sigma_s = error_s
        if self.base_s is None:
            self.base_s = value_s
        elif self._hint_only:
            self.base_s += 0.5 * (value_s - self.base_s)
        self._hint_only = False
        rate = self.throughput.rate(1.5 * self.limit, now_s)
        delay_s = value_s - self.base_s
        limit, noise = self.limit, rate * self.sigma_s
        queue = self.queue = rate * max(0.0, delay_s)
        target = max(min(1.5, 0.15 * limit), 0.08 * limit)
        low = max(min(1.0, 0.08 * limit), 0.05 * limit) + 0.5 * noise
        high = max(min(2.5, 0.2 + 0.18 * limit), 0.2 * limit, low + 2.0 * noise)
        # How far a value scatters where there is no queue: waiting scatters far more.
        self.sigma_s += (0.2 if queue <= high else 0.02) * (error_s - self.sigma_s)
        if self.dip_share < 1.0:
            self._judge_dip(now_s, value_s, delay_s, rate)
        elif self.startup:
            scatter_s = self._pool.scatter(cohort, error_s)
            if limit > 16:  # a false alarm costs more here than a late one
                scatter_s = max(scatter_s, error_s)
            error = rate * scatter_s
            self._judge_startup(now_s, cohort, queue, target, low + error)
        else:
            self._judge_steady(
                now_s, cohort, value_s, delay_s, queue, (target, low, high), rate
            )

    def _judge_startup(
        self,
        now_s: float,
        cohort: Cohort,
        queue: float,
        target: float,
        noisy: float,
    ) -> None:
        limit = self.limit
        if queue > max(3.0, 0.15 * limit, noisy):
            self._steady(now_s)
            self._set(max(1.0, limit / 2, limit - queue + target))
            return
        self.base_s, self.sigma_s = self._pool.add(cohort)
        if not cohort.limit_bound:
            return
        top = min(self.ssthresh, self.ceiling)
        if 2 * limit >= top:
            self._steady(now_s)
        self._set(min(2 * limit, top))

    def _judge_steady(
        self,
        now_s: float,
        cohort: Cohort,
        value_s: float,
        delay_s: float,
        queue: float,
        marks: tuple[float, float, float],
        rate: float,
    ) -> None:
        limit = self.limit
        target, low, high = marks
        base_s = self.base_s or value_s
        sigma_s = self.sigma_s
        if queue > high:
            self._growth = 0.05
            if self._is_not_ours(limit, queue, delay_s, value_s):
                self._growth = 0.25
                return
            # Far too long: in one step what would take two, each of them an answer time.
            most = 0.3 if queue < 0.5 * limit else 0.5
            self._set(limit - min(most * limit, queue - target))
            return
        self._ref = None
        self.good += (0.1 if self.good else 1.0) * (limit - self.good)
        if queue < low and cohort.limit_bound:
            if limit > self.ceiling - 0.5 and now_s >= self._relax_s:
                self._relax(now_s)
            grown = min(limit + max(min(0.5, 0.1 * limit), self._growth * limit), self.ceiling)
            self._growth = min(0.25, 1.5 * self._growth)
            if grown > limit:
                self._set(grown)
        else:
            self._growth = 0.05
        if delay_s < -4 * sigma_s:
            weight = 1.0
        elif delay_s < -2 * sigma_s:
            weight = 0.6
        elif delay_s < 0:
            weight = 0.1
        elif delay_s < sigma_s:
            weight = 0.05
        else:
            weight = 0.0
        self.base_s = base_s + weight * (value_s - base_s)
        if now_s >= self._next_dip_s and self.limit >= 2:
            self._dip(now_s, rate, value_s)

    def _is_not_ours(self, limit: float, queue: float, delay_s: float, value_s: float) -> bool:
        """The responsiveness test: does the delay follow the limit down?

        A queue of ours at a fixed capacity shrinks by as many as the limit did, and the
        delay with it. When it stays nearer to where it was than to there, twice, then it
        is no queue of ours: the floor moves up and the limit comes back.
        """
        ref = self._ref
        if ref is None or delay_s > 1.5 * ref.delay_s:
            self._ref = Reference(limit, min(queue, limit), delay_s)
            return False
        if limit >= ref.limit:
            return False
        follows = max(0.0, ref.queue - (ref.limit - limit)) / ref.queue
        if delay_s < 0.5 * (1.0 + follows) * ref.delay_s:
            self._ref = Reference(limit, min(queue, limit), delay_s)
            return False
        if follows > 0.75:
            return False
        ref.seen += 1
        ref.value_s += (value_s - ref.value_s) / ref.seen
        if ref.seen < 2:
            return False
        self.sigma_s *= ref.value_s / max(self.base_s or 0.0, 1e-9)
        self.base_s = ref.value_s
        self._ref = None
        self._set(max(limit, 0.95 * ref.limit))
        return True

    def _steady(self, now_s: float) -> None:
        self.startup = False
        self._growth = 0.05
        # What began with a queue is seen soonest where a queue is nearly everything.
        self._next_dip_s = now_s + (DIP_EVERY_S if self.limit > 12 else 0.0)

    def _dip(self, now_s: float, rate: float, value_s: float) -> None:
        share = self.dip_share = DIP_SHARE if self.limit > 12 else 0.5
        takes_s = self._size / (share * rate) if rate else 30.0
        self._dip_value_s = None
        self._dip_from_s = now_s
        self.dip_ends_s = now_s + max(1.0, 3 * value_s + 2 * takes_s)
        self._next_dip_s = now_s + max(DIP_EVERY_S, DIP_COST * (1 - share) * takes_s)
        self._clear()
        self._apply()

    def _judge_dip(self, now_s: float, value_s: float, delay_s: float, rate: float) -> None:
        """Was there a queue hidden in the floor?

        One cohort in a hundred is so low by chance, and a floor that is too low costs
        throughput for long. So a low one asks for a second, and their mean decides.
        """
        base_s = self.base_s or value_s
        first_s = self._dip_value_s
        if first_s is None:
            if delay_s < -2.5 * self.sigma_s:
                self._dip_value_s = value_s
                self.dip_ends_s += self.dip_ends_s - self._dip_from_s
                return
            low = False
        else:
            value_s = (first_s + value_s) / 2
            delay_s = value_s - base_s
            low = delay_s < -2.0 * self.sigma_s
        self._end_dip()
        if low:
            self.base_s = value_s
            self._next_dip_s = now_s + 2.0
            most = 0.3 if self.limit > 12 else 0.5
            self._set(self.limit - min(most * self.limit, rate * -delay_s))
        else:
            self.base_s = base_s + 0.3 * (value_s - base_s)

    def _end_dip(self) -> None:
        self.dip_share = 1.0
        self._clear()
        self._apply()

    # --- change -------------------------------------------------------------------------

    def bound(self, most: int) -> None:
        """From now on no more than `most`. What is found out below that stays."""
        before, self._most = self._most, float(most)
        if self.ceiling >= before:
            self.ceiling = self._most
        if self.ssthresh >= before:
            self.ssthresh = self._most
        self.ceiling = max(self._floor, min(self.ceiling, self._most))
        self.ssthresh = max(self._floor, min(self.ssthresh, self._most))
        self.limit = max(self._floor, min(self.limit, self._most))

    def lower(self, now_s: float, limit: float, ceiling: float) -> None:
        """Go down to `limit` because of a refusal; `ceiling` holds until it is relaxed."""
        self.ceiling = max(self._floor, min(self._most, ceiling))
        self._relax_s = now_s + RELAX_AFTER_S
        self._bumps = 0
        if self.startup:
            self._steady(now_s)
        self._set(min(self.limit, limit))

    def hold_down(self, share: float) -> None:
        """Use only this share of the limit, until told 1.0."""
        self._held = share
        self._clear()
        self._apply()

    def undo_lower(self, limit: float, ceiling: float, startup: bool) -> None:
        """The refusals were about something else: back to where it was."""
        self.ceiling = ceiling
        self.startup = startup
        self._set(max(limit, self.limit))

    def _relax(self, now_s: float) -> None:
        """No refusal for a while and the limit in use: let it try a little more."""
        step = max(1.0, 0.05 * self.ceiling) * 2.0**self._bumps
        self.ceiling = min(self._most, self.ceiling + step)
        self._bumps = min(self._bumps + 1, 16)
        self._relax_s = now_s + RELAX_EVERY_S

    def restart(self, limit: float, ssthresh: float) -> None:
        """Begin again from `limit`, doubling up to `ssthresh`: after an outage."""
        self.startup = True
        self._pool = Pool()
        self.ssthresh = max(self._floor, ssthresh)
        self.dip_share = 1.0
        self.throughput.forget()
        self._set(limit)

    def _set(self, limit: float) -> None:
        before = self.limit
        limit = max(self._floor, min(limit, self.ceiling, self._most))
        self.limit = limit
        self._clear()
        self._apply()
        self._skip = max(0, int(limit) - int(before))

    def _clear(self) -> None:
        for cohort in self._cohorts:
            cohort.closed = True
        self._cohorts.clear()
        self._filling = None

    def _apply(self) -> None:
        share = min(self.dip_share, self._held)
        self.whole = max(int(self._floor), 1, floor(self.limit * share))
        self._busy_from = 0.85 * self.whole

    def restore(self, state: LimitState, *, age_s: float) -> None:
        """Warm start: at half of what was good, doubling up to it.

        A floor older than an hour is only a hint.
        """
        good = max(self._floor, min(state.good, self._most))
        self.good = good
        self.base_s = state.base_s
        self.sigma_s = max(0.0, state.sigma_s)
        self._hint_only = age_s > 3600.0
        self.ceiling = self._most
        if good >= 2 * self._floor:
            self.restart(good / 2, good)

    def snapshot(self) -> LimitState:
        """What a warm start begins with."""
        return LimitState(
            limit=self.limit,
            good=self.good or self.limit,
            base_s=self.base_s,
            sigma_s=self.sigma_s,
        )


@dataclass(frozen=True, slots=True)
class LimitState:
    """An adaptive limit as stored. `base_s` None: nothing was measured yet."""

    limit: float = START
    good: float = START
    base_s: float | None = None
    sigma_s: float = 0.0
