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


@dataclass(slots=True)
class Budget:
    """Requests up to number `last` may be sent before `reset_s`; told by request `by`."""

    last: float
    reset_s: float
    by: int


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
            if old is None or now_s >= old.reset_s:
                if old is None and len(self._budgets) >= _MOST_NAMES:
                    continue
                self._budgets[hint.name] = Budget(last, reset_s, number)
            elif number >= old.by:
                # The newest word of the provider, within a window or about the next one.
                self._budgets[hint.name] = Budget(last, reset_s, number)
            elif last < old.last and abs(reset_s - old.reset_s) <= 1.5:
                old.last = last
        return spent

    def free_from(self, now_s: float, number: int) -> float:
        """When request `number` is covered: `now_s`, or the latest reset in its way."""
        until_s = now_s
        for budget in self._budgets.values():
            if number > budget.last and budget.reset_s > until_s:
                until_s = budget.reset_s
        return until_s

    def left(self, now_s: float, number: int) -> tuple[float, float] | None:
        """(requests, seconds) of the tightest running budget after `number`; None if none."""
        tightest: tuple[float, float] | None = None
        for budget in self._budgets.values():
            if budget.reset_s > now_s:
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
                self._budgets[state.name] = Budget(max(0.0, state.left - lost), reset_s, 0)


@dataclass(frozen=True, slots=True)
class BudgetState:
    """An announced budget as stored: `left` requests until `reset_s` (epoch seconds)."""

    name: str
    left: float
    reset_s: float
