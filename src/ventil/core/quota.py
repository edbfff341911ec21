"""Quotas that are known: so much weight in any window of so many seconds.

The law kept here: in *any* sliding window of `window_s` seconds no more than `limit` is
admitted, by the time of sending. A provider counts by the time of arrival, and the way
there takes now a little longer and now a little less, so each window is kept open a little
longer than its length (`guard_s`), and what is known to have come later than that is counted
later (`Window.arrived`). A sliding log is the strictest way of counting: who
keeps it never breaks a fixed window or a token bucket of the same size either.

A window's log is exact as long as it is short. Longer ones are kept in `BUCKETS` slices of
time, each counted as if all of it had been sent at the slice's last moment: memory stays
bounded, the law still holds, and at most one slice of utilisation is lost.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from math import floor, inf, isfinite
from typing import TYPE_CHECKING

from ventil.errors import SettingError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ventil.core.arrival import Arrival

BUCKETS = 256
"""Entries an exact log may have; beyond it, slices a window is cut into."""
GUARD_SHARE = 0.01
SHORTEST_GUARD_S = 0.01
LONGEST_GUARD_S = 30.0
MARGIN_S = 0.002
"""What is left of the guard for clocks where a request is known to have come late."""
LATE_SHARE = 0.015
"""Part of a window by which any request may count as late."""
CREDIT_SHARE = 0.04
"""Part of a window that each request earns for those that are later than that: enough for a
machine that is overloaded for long. With half of it the credit is used up in a minute or two,
and windows of a second are exceeded."""
FIRST_CREDIT = 1.0
MOST_CREDIT = 4.0
"""Windows' worth of it at first, and at most: a stall costs what it holds up, and once more
a window that it empties."""

_UNIT_S = {
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "m": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "w": 604800.0,
    "week": 604800.0,
}
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:/|per)\s*(\d+(?:\.\d+)?)?\s*([a-z]+)\s*", re.I)


class BadQuota(SettingError, ValueError):
    """A quota's text cannot be read, or its numbers make no sense."""


class QuotaImpossible(UserError):
    """A request weighs more than a quota ever allows: no wait would do."""


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` weight in any `window_s` seconds; both finite and more than 0.

    A limit below one means one per window_s / limit seconds (0.45/s is one in 2.22 s). A
    limit above one that is no whole number is rounded down: write 5/2s instead of 2.5/s.
    """

    limit: float
    window_s: float

    def __post_init__(self) -> None:
        for name, value in (("limit", self.limit), ("window", self.window_s)):
            if not (isfinite(value) and value > 0):
                raise BadQuota(f"a quota's {name} must be a number above 0, not {value!r}")

    @classmethod
    def parse(cls, text: str) -> Quota:
        """Read ``0.45/s``, ``30/min``, ``5000/h``, ``5000000/30d``; raise `BadQuota`."""
        found = _TEXT.fullmatch(text)
        unit = found[3].lower() if found else ""
        unit_s = _UNIT_S.get(unit) or _UNIT_S.get(unit.removesuffix("s"))
        if not found or unit_s is None or len(text) > 100:
            raise BadQuota(
                f"{text!r} is not a quota",
                hint='write a number, a slash and a time: "5/s", "30/min", "5000000/30d"',
            )
        try:
            return cls(float(found[1]), float(found[2] or 1) * unit_s)
        except BadQuota:
            raise BadQuota(f"{text!r} is not a quota: both numbers must be above 0") from None

    @property
    def allowance(self) -> int:
        """The whole weight that fits into one `span_s`; at least 1."""
        return floor(self.limit) if self.limit >= 1 else 1

    @property
    def span_s(self) -> float:
        """Seconds in which `allowance` may be sent, without the guard."""
        return self.window_s if self.limit >= 1 else self.window_s / self.limit

    @property
    def guard_s(self) -> float:
        """Seconds added to the span for the unevenness of the way to the provider."""
        return min(max(GUARD_SHARE * self.span_s, SHORTEST_GUARD_S), LONGEST_GUARD_S)

    @property
    def rate(self) -> float:
        """Weight per second in the long run, with the guard."""
        return self.allowance / (self.span_s + self.guard_s)

    def __str__(self) -> str:
        limit = f"{self.limit:g}" if self.limit < 1e6 else f"{self.limit:.0f}"
        for unit, unit_s in (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0)):
            if self.window_s >= unit_s and self.window_s % unit_s == 0:
                count = self.window_s / unit_s
                return f"{limit}/{unit}" if count == 1 else f"{limit}/{count:.0f}{unit}"
        return f"{limit}/{self.window_s:g}s"


class Window:
    """What was admitted under one quota, as far back as it matters. Mutable.

    `log` holds (last moment, weight) of each slice, oldest first.
    """

    __slots__ = (
        "_credit_s",
        "_first_s",
        "_log",
        "_slice_s",
        "_used",
        "allowance",
        "quota",
        "span_s",
    )

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.allowance = quota.allowance
        self.span_s = quota.span_s + quota.guard_s
        self._slice_s = 0.0 if self.allowance <= BUCKETS else self.span_s / BUCKETS
        self._log: deque[tuple[float, int]] = deque()
        self._used = 0
        self._first_s = 0.0  # of the newest slice
        self._credit_s = FIRST_CREDIT * self.allowance * quota.span_s

    def free_from(self, now_s: float, weight: int) -> float:
        """The moment from which `weight` fits: `now_s` or later. Takes nothing.

        Raises `QuotaImpossible` when it never fits.
        """
        if weight > self.allowance:
            raise QuotaImpossible(
                f"a request of weight {weight} never fits into the quota {self.quota}"
            )
        log, span_s = self._log, self.span_s
        while log and log[0][0] + span_s <= now_s:
            self._used -= log.popleft()[1]
        excess = self._used + weight - self.allowance
        if excess <= 0:
            return now_s
        for last_s, used in log:
            excess -= used
            if excess <= 0:
                return last_s + span_s
        raise AssertionError("a window holds less than it counts")

    def take(self, now_s: float, weight: int) -> None:
        """Count `weight` as sent at `now_s`, which never goes backwards."""
        log = self._log
        if log and now_s - self._first_s < self._slice_s:
            log[-1] = (now_s, log[-1][1] + weight)
        else:
            log.append((now_s, weight))
            self._first_s = now_s
        self._used += weight

    def postpone(self, sent_s: float, to_s: float, weight: int) -> None:
        """Count what was sent at `sent_s` as sent at `to_s`, for it arrived late.

        `to_s` is not after the latest time seen. A log of slices stays as it is: a slice is
        counted at its last moment anyway.
        """
        if self._slice_s:
            return
        entries = list(self._log)
        for place, (at_s, used) in enumerate(entries):
            if at_s < sent_s:
                continue
            if at_s < to_s:
                moved = min(used, weight)
                entries[place : place + 1] = [(at_s, used - moved)] if used > moved else []
                insort(entries, (to_s, moved))
                self._log = deque(entries)
            return

    def arrived(self, arrival: Arrival) -> None:
        """Count what was sent before as it arrived, when that was later than the guard allows.

        That is where it is counted then, even if it has left the window in the meantime.

        A late answer may mean a late arrival or slow work. So up to a small part of the window
        is taken for lateness always, and more is paid from a credit that each request adds a
        little to: stalls, which are rare, are counted in full, and where answer times vary by
        nature it costs 5.5 % of the pace at most. However late, it costs a window at most.
        """
        quota, late_s = self.quota, arrival.late_s
        most_s = LATE_SHARE * quota.span_s
        credit_s = self._credit_s + CREDIT_SHARE * quota.span_s * arrival.weight
        credit_s = min(credit_s, MOST_CREDIT * self.allowance * quota.span_s)
        if late_s > most_s:
            price_s = (min(late_s, quota.span_s) - most_s) * arrival.weight
            if price_s <= credit_s:
                credit_s -= price_s
            else:
                late_s = most_s
        self._credit_s = credit_s
        late_s += MARGIN_S - quota.guard_s
        if late_s <= 0:
            return
        sent_s, weight = arrival.sent_s, arrival.weight
        to_s = sent_s + late_s
        entries = list(self._log)
        place = bisect_left(entries, (sent_s, 0))
        at_s, used = entries[place] if place < len(entries) else (inf, 0)
        if at_s - sent_s <= self._slice_s:  # its own entry, or the slice that it is in
            if at_s >= to_s:
                return  # it counts as late already
            moved = min(used, weight)
            entries[place : place + 1] = [(at_s, used - moved)] if used > moved else []
            self._used += weight - moved
        else:  # it has left the window
            self._used += weight
        if self._slice_s:  # into the slice that it belongs to, or the next
            for place, (at_s, used) in enumerate(entries):
                if at_s >= to_s:
                    if at_s - to_s < self._slice_s:
                        entries[place] = (at_s, used + weight)
                    else:
                        entries.insert(place, (to_s, weight))
                    break
            else:
                entries.append((to_s, weight))
                self._first_s = to_s
        else:
            insort(entries, (to_s, weight))
        self._log = deque(entries)

    def free(self, now_s: float) -> int:
        """Weight that fits at `now_s`; may be below 0 after a quota was tightened."""
        log = self._log
        while log and log[0][0] + self.span_s <= now_s:
            self._used -= log.popleft()[1]
        return self.allowance - self._used

    def entries(self) -> tuple[tuple[float, int], ...]:
        """The log, for a snapshot."""
        return tuple(self._log)


class Windows:
    """All quotas of a provider together: a request must fit into each. Mutable."""

    __slots__ = ("_windows",)

    def __init__(self, quotas: Iterable[Quota]) -> None:
        self._windows = tuple(Window(quota) for quota in quotas)

    def __iter__(self) -> Iterator[Window]:
        return iter(self._windows)

    def __len__(self) -> int:
        return len(self._windows)

    def free_from(self, now_s: float, weight: int) -> tuple[float, Quota | None]:
        """When `weight` fits into every window, and the quota that makes it wait.

        (now_s, None) when it fits now. Raises `QuotaImpossible`.
        """
        until_s, binding = now_s, None
        for window in self._windows:
            from_s = window.free_from(now_s, weight)
            if from_s > until_s:
                until_s, binding = from_s, window.quota
        return until_s, binding

    def take(self, now_s: float, weight: int) -> None:
        """Count `weight` in every window."""
        for window in self._windows:
            window.take(now_s, weight)

    def change(self, quotas: Iterable[Quota], now_s: float) -> None:
        """Other quotas hold from now on; what is new counts what the logs tell of."""
        states, kept = self.snapshot(), {window.quota: window for window in self._windows}
        self._windows = tuple(Window(quota) for quota in quotas)
        self.restore(states, shift_s=0.0, now_s=now_s)
        self._windows = tuple(kept.get(window.quota, window) for window in self._windows)

    def snapshot(self) -> tuple[WindowState, ...]:
        """What a restart needs to go on counting."""
        return tuple(
            WindowState(w.quota.limit, w.quota.window_s, w.entries()) for w in self._windows
        )

    def restore(self, states: Sequence[WindowState], *, shift_s: float, now_s: float) -> None:
        """Take over former logs, their times moved by `shift_s` and never after `now_s`.

        A quota that is new takes the log of the stored window nearest above its own span,
        or else the longest: all logs tell of the same requests.
        """
        for window in self._windows:
            longer = [s for s in states if s.window_s >= window.quota.window_s]
            exact = [
                s
                for s in longer
                if (s.limit, s.window_s) == (window.quota.limit, window.quota.window_s)
            ]
            best = (
                exact
                or sorted(longer, key=lambda s: s.window_s)[:1]
                or sorted(states, key=lambda s: -s.window_s)[:1]
            )
            for last_s, weight in sorted(best[0].log) if best else ():
                window.take(min(last_s + shift_s, now_s), max(1, weight))

    def charge_lost(self, at_s: float, lost_s: float, most: float) -> None:
        """Assume that a process nobody heard of again sent all it could in `lost_s`.

        It ended at `at_s`. `most` is a bound from elsewhere (requests it could have had in
        flight), math.inf when there is none.
        """
        for window in self._windows:
            periods = 1 + floor(lost_s / window.span_s)
            most = min(most, window.allowance * periods)
        for window in self._windows:
            weight = min(most, window.free(at_s))
            if weight >= 1:
                window.take(at_s, floor(weight))


@dataclass(frozen=True, slots=True)
class WindowState:
    """One quota's log as stored: (seconds since the epoch, weight), oldest first."""

    limit: float
    window_s: float
    log: tuple[tuple[float, int], ...] = ()
