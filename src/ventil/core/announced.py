"""What the provider itself announces to be left: budgets of its rate-limit header fields.

A budget is kept as the number of the last request it covers: a reply to request number n
that says "r remaining" covers everything up to n + r. So requests that were on their way
when the reply was written are counted, and replies that arrive out of order can lower a
budget but not raise it. A word of the provider lowers what the policy allows and never
raises it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ventil.core.exchange import RateHint

RESET_GUARD_S = 0.05
"""Seconds added to an announced reset: it is rounded, and clocks differ a little."""
_MOST_NAMES = 16
_FLOW_USE = 0.98
_FLOW_SPAN_S = 1.2


@dataclass(slots=True)
class Budget:
    """Requests up to number `last` may be sent before `reset_s`; told by request `by`.

    A token bucket fills all the time, not at a reset; `flow` is how many per second that
    has been seen to be, 0.0 as long as nothing came back before a reset.
    """

    last: float
    told_s: float
    reset_s: float
    by: int
    seen_last: float  # where a measurement of the flow began
    seen_s: float
    seen_reset_s: float
    flow: float = 0.0
    signs: int = 0

    def at(self, now_s: float) -> float:
        """The last request covered by now."""
        return self.last + _FLOW_USE * self.flow * max(0.0, now_s - self.told_s)

    def free_from(self, number: int, now_s: float) -> float:
        """When request `number` is covered."""
        missing = number - self.at(now_s)
        if missing <= 0:
            return now_s
        if self.flow > 0:
            return min(self.reset_s, now_s + missing / (_FLOW_USE * self.flow))
        return self.reset_s


class Announced:
    """Mutable; numbers are total weight admitted, counted by the governor."""

    __slots__ = ("_budgets", "_longest_s")

    def __init__(self, longest_s: float) -> None:
        self._budgets: dict[str, Budget] = {}
        self._longest_s = longest_s

    def __bool__(self) -> bool:
        return bool(self._budgets)

    def tell(self, now_s: float, number: int, hints: Iterable[RateHint]) -> bool:
        """Take in the hints of the reply to request `number`. Whether one is used up."""
        spent = False
        for hint in hints:
            if hint.remaining is None:
                continue
            ahead_s = hint.reset_s
            if ahead_s is None:
                if hint.window_s is None:
                    continue
                ahead_s = hint.window_s
            reset_s = now_s + min(ahead_s, self._longest_s) + RESET_GUARD_S
            last = number + hint.remaining
            spent = spent or hint.remaining <= 0
            old = self._budgets.get(hint.name)
            if old is None:
                if len(self._budgets) < _MOST_NAMES:
                    self._budgets[hint.name] = _fresh(last, now_s, reset_s, number)
            elif now_s >= old.reset_s and not old.flow:
                self._budgets[hint.name] = _fresh(last, now_s, reset_s, number)
            elif number >= old.by:
                # The newest word of the provider, within a window or about the next one.
                _measure(old, now_s, last, reset_s)
                old.last, old.told_s, old.reset_s, old.by = last, now_s, reset_s, number
            elif last < old.last and abs(reset_s - old.reset_s) <= 1.5 and not old.flow:
                old.last = last
        return spent

    def free_from(self, now_s: float, number: int) -> float:
        """When request `number` is covered: `now_s`, or the latest reset in its way."""
        until_s = now_s
        for budget in self._budgets.values():
            if budget.reset_s > until_s:
                until_s = max(until_s, budget.free_from(number, now_s))
        return until_s

    def left(self, now_s: float, number: int) -> tuple[float, float] | None:
        """(requests, seconds) of the tightest running budget after `number`; None if none.

        Budgets that flow are left out: they need no rationing.
        """
        tightest: tuple[float, float] | None = None
        for budget in self._budgets.values():
            if budget.reset_s > now_s and not budget.flow:
                pair = (max(0.0, budget.last - number), budget.reset_s - now_s)
                if tightest is None or pair[0] * tightest[1] < tightest[0] * pair[1]:
                    tightest = pair
        return tightest

    def snapshot(self, number: int) -> tuple[BudgetState, ...]:
        """What a restart has to honour; `number` is the last request sent."""
        return tuple(
            BudgetState(name, max(0.0, b.last - number), b.reset_s)
            for name, b in self._budgets.items()
        )

    def restore(
        self, states: Iterable[BudgetState], *, lost: float, shift_s: float, now_s: float
    ) -> None:
        """Take over former budgets, less what a lost process may have sent."""
        for state in states:
            reset_s = min(state.reset_s + shift_s, now_s + self._longest_s)
            if len(self._budgets) < _MOST_NAMES and reset_s > now_s:
                left = max(0.0, state.left - lost)
                self._budgets[state.name] = _fresh(left, now_s, reset_s, 0)


def _fresh(last: float, now_s: float, reset_s: float, by: int) -> Budget:
    return Budget(last, now_s, reset_s, by, last, now_s, reset_s)


def _measure(budget: Budget, now_s: float, last: float, reset_s: float) -> None:
    """Learn the flow from one word to the next.

    In a fixed window the reset stays where it is and what is covered does not grow; in a
    bucket the reset (when it will be full) moves along with time, and what is covered
    grows. Three such signs in a row, and the budget flows.
    """
    span_s = now_s - budget.seen_s
    if span_s < _FLOW_SPAN_S:
        return
    grown = last - budget.seen_last
    if grown >= 1.0 and reset_s - budget.seen_reset_s > 0.4 * span_s:
        budget.signs += 1
        if budget.signs >= 3:
            rate = grown / span_s
            budget.flow = rate if not budget.flow else 0.7 * budget.flow + 0.3 * rate
    else:
        budget.signs = 0
        if grown < -1.0:
            budget.flow = 0.0
    budget.seen_last, budget.seen_s, budget.seen_reset_s = last, now_s, reset_s


@dataclass(frozen=True, slots=True)
class BudgetState:
    """An announced budget as stored: `left` requests until `reset_s` (epoch seconds)."""

    name: str
    left: float
    reset_s: float
