"""What uses up quotas: requests, from when they may go out until they surely have arrived.

A window is about the time of sending, and the one who grants need not be the one who sends.
While a grant is out it may be used at any moment until it ends, so it counts in full; once
its use is told, it counts from that moment; one that was never used is given back. In any
window the last grant was made while all the others in it were either out, or used less than a
window ago: so the law of `quota` holds for the times of use, however late anybody is told of
them. Who sends at once has no use for grants, and tells only what was `sent`.

A provider's windows are about the time of arrival. What is known of that when an answer comes
moves a use to where it has to be counted (see `arrival`).
"""

from __future__ import annotations

from collections.abc import Hashable
from math import inf
from typing import TYPE_CHECKING

from ventil.core.arrival import Arrival, Arrivals
from ventil.core.quota import Quota, Windows, WindowState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Uses:
    """All quotas of a provider, by the time of use. Mutable."""

    def __init__(
        self, quotas: Iterable[Quota], states: Sequence[WindowState] = (), *, now_s: float = 0.0
    ) -> None:
        self._windows = Windows(quotas)
        if states:
            self._windows.restore(states, shift_s=0.0, now_s=now_s)
        self._out: dict[int, tuple[int, float, Hashable]] = {}  # weight, end, source
        self._weight_out = 0
        self._latest_s = -inf
        self._arrivals = Arrivals()
        self._sent: dict[int, tuple[Hashable, int, float, int]] = {}
        """By number: its source, ticket, when it was sent, its weight."""

    def free_from(self, now_s: float, weight: int) -> tuple[float | None, Quota | None]:
        """When `weight` may be granted, and the quota that makes it wait.

        None: not before the use of a grant is told. `QuotaImpossible` as in `Windows`.

        When all that fits is overdue, nothing new would go that could belie it. So one more
        goes as a question, each time twice as late.
        """
        if not (self._out or self._sent):
            return self._windows.free_from(now_s, weight)
        until_s, binding = now_s, None
        for window in self._windows:
            held = self._weight_out + self._arrivals.overdue(now_s, window.span_s)
            if held and weight + held > window.allowance:
                window.free_from(now_s, weight)  # impossible is said at once
                if weight + self._weight_out > window.allowance:
                    return None, window.quota
                ask_s = self._arrivals.ask_from(window.span_s, window.allowance)
                from_s = max(ask_s, window.free_from(now_s, window.allowance))
            else:
                from_s = window.free_from(now_s, weight + held)
            if from_s > until_s:
                until_s, binding = from_s, window.quota
        return until_s, binding

    def grant(self, number: int, weight: int, use_by_s: float, source: Hashable = None) -> None:
        """Grant `number` is out until `use_by_s`, to `source`."""
        self._out[number] = (weight, use_by_s, source)
        self._weight_out += weight

    def used(self, number: int, at_s: float) -> None:
        """It was used at `at_s`."""
        weight, _, source = self._out.pop(number, (0, 0.0, None))
        if weight:
            self._weight_out -= weight
            self.sent(number, weight, at_s, source)

    def sent(self, number: int, weight: int, at_s: float, source: Hashable = None) -> None:
        """A request goes out at `at_s`, without a grant or on one that is over now."""
        self.take(weight, at_s)
        ticket = self._arrivals.sent(source, self._latest_s, weight)
        self._sent[number] = (source, ticket, self._latest_s, weight)

    def answered(self, number: int, at_s: float, *, opening: bool = False) -> None:
        """The request that used it was answered at `at_s`.

        `opening`: requests of a source may overtake those for which a connection is opened
        first. Who was overtaken counts by its own answer, too.
        """
        source, ticket, sent_s, weight = self._sent.pop(number, (None, 0, 0.0, 0))
        if ticket:
            known = self._arrivals.answered(source, ticket, sent_s, at_s)
            if opening and not known:
                known = [self._arrivals.arrival(sent_s, weight, at_s)]
            self._arrived(known)

    def ended(self, number: int, at_s: float) -> None:
        """The request that used it was not answered until `at_s`, and will not be.

        Nothing, when it is over already.
        """
        source, ticket, *_ = self._sent.pop(number, (None, 0, 0.0, 0))
        if ticket:
            self._arrived(self._arrivals.ended(source, ticket, at_s))

    def unused(self, number: int) -> None:
        """It never was, and never will be."""
        weight, *_ = self._out.pop(number, (0, 0.0, None))
        self._weight_out -= weight

    def end(self, number: int) -> None:
        """Nobody will tell any more: if out, take it for used at the last moment."""
        weight, use_by_s, _ = self._out.pop(number, (0, 0.0, None))
        if weight:
            self._weight_out -= weight
            self.take(weight, use_by_s)

    def take(self, weight: int, at_s: float) -> None:
        """Something of *weight* counts from `at_s` on, and nothing will be told of it."""
        self._latest_s = max(self._latest_s, at_s)
        self._windows.take(self._latest_s, weight)

    def _arrived(self, arrivals: Iterable[Arrival]) -> None:
        for arrival in arrivals:
            for window in self._windows:
                window.arrived(arrival)

    def change(self, quotas: Iterable[Quota], now_s: float) -> None:
        """Other quotas hold from now on; they count what the logs tell of."""
        self._windows.change(quotas, now_s)

    def restore(self, states: Sequence[WindowState], *, shift_s: float, now_s: float) -> None:
        """See `Windows.restore`."""
        self._windows.restore(states, shift_s=shift_s, now_s=now_s)

    def charge_lost(self, at_s: float, lost_s: float, most: float) -> None:
        """See `Windows.charge_lost`."""
        self._windows.charge_lost(at_s, lost_s, most)

    def __bool__(self) -> bool:
        """Whether there is any quota."""
        return bool(self._windows)

    @property
    def slowest_s(self) -> float | None:
        """See `Arrivals.longest_s`."""
        return self._arrivals.longest_s

    def snapshot(self, now_s: float) -> tuple[WindowState, ...]:
        """What a restart needs to go on counting.

        Grants that are out count as used, and what is overdue as arriving at `now_s`.
        """
        out = sorted((use_by_s, weight) for weight, use_by_s, _ in self._out.values())
        states = []
        for w in self._windows:
            overdue = self._arrivals.overdue(now_s, w.span_s)
            late = [(now_s, overdue)] if overdue else []
            log = (*w.entries(), *late, *out)
            states.append(WindowState(w.quota.limit, w.quota.window_s, log))
        return tuple(states)
