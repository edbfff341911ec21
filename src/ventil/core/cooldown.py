"""The gate: hold everything until a moment, then find out with one request.

A throttle or a ban closes the gate of the whole provider. It named a time: until then. It
named none: for the policy's cooldown, or, where the policy leaves that open, for half a
second, doubling, as `backoff.throttle_wait_s` says. After the gate one request goes first;
the others follow when it has been answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ventil.core.backoff import jittered, throttle_wait_s

if TYPE_CHECKING:
    from random import Random

RETRY_AFTER_JITTER_S = 0.05
BAN_S = 900.0
"""Seconds to stay away after a ban when the policy names no cooldown."""


class Gate:
    """Mutable; asked and told by the governor with explicit times.

    `until_s` is the moment it opens (0.0: never closed yet). `checking` is true from a
    closing until a request sent after it has been answered.
    """

    __slots__ = (
        "_cooldown_s",
        "_longest_s",
        "_random",
        "_since_s",
        "_step",
        "checking",
        "closed_s",
        "probes_out",
        "until_s",
        "why",
    )

    def __init__(self, *, cooldown_s: float | None, longest_s: float, random: Random) -> None:
        self._cooldown_s = cooldown_s
        self._longest_s = longest_s
        self._random = random
        self.until_s = 0.0
        self.closed_s = 0.0
        self.checking = False
        self.probes_out = 0
        self.why = ""
        self._step = 0
        self._since_s = 0.0

    def cooldown(self, cooldown_s: float | None) -> None:
        """The pause after a throttle that names no time, from now on."""
        self._cooldown_s = cooldown_s

    def throttled(
        self, now_s: float, sent_s: float, retry_after_s: float | None, why: str
    ) -> None:
        """A request sent at `sent_s` was throttled.

        One that was on its way before the gate closed is part of the same burst: it can
        make the wait longer by naming a time, and otherwise changes nothing.
        """
        same_burst = sent_s < self.closed_s
        if not self.checking:
            self._since_s = now_s
        if retry_after_s is not None:
            wait_s = retry_after_s + RETRY_AFTER_JITTER_S * self._random.random()
        elif same_burst:
            return
        elif self._cooldown_s is not None:
            wait_s = self._cooldown_s
        else:
            wait_s = throttle_wait_s(self._step, now_s - self._since_s)
            wait_s = jittered(wait_s, 0.2, self._random)
        if not same_burst:
            self._step += 1
        self.hold(now_s, wait_s, why, fresh=not same_burst)

    def banned(self, now_s: float, why: str) -> None:
        """So many refusals in a row that it is us who are meant."""
        wait_s = BAN_S if self._cooldown_s is None else max(self._cooldown_s, 1.0)
        self.hold(now_s, wait_s, why, fresh=True)

    def hold(self, now_s: float, wait_s: float, why: str, *, fresh: bool = True) -> None:
        """Keep closed until `wait_s` from now at least, and check before opening wide."""
        if not self.checking:
            self._since_s = now_s
        until_s = now_s + min(wait_s, self._longest_s)
        if until_s > self.until_s:
            self.until_s = until_s
            self.why = why
        if fresh:
            self.closed_s = now_s
            self.probes_out = 0
        self.checking = True

    def live(self, sent_s: float) -> bool:
        """A request sent at `sent_s` was answered. Whether that ended the checking."""
        if not self.checking or sent_s < self.until_s:
            return False
        self.checking = False
        self.probes_out = 0
        self._step = 0
        return True

    def snapshot(self) -> GateState:
        """What a restart has to honour."""
        return GateState(self.until_s, self.closed_s, self.checking, self.why, self._step)

    def restore(self, state: GateState, *, shift_s: float, now_s: float) -> None:
        """Take over a former gate, times moved by `shift_s`; never beyond the longest wait."""
        self.until_s = min(state.until_s + shift_s, now_s + self._longest_s)
        self.closed_s = min(state.closed_s + shift_s, now_s)
        self._since_s = self.closed_s
        self.checking = state.checking
        self.why = state.why
        self._step = max(0, min(state.step, 100))


@dataclass(frozen=True, slots=True)
class GateState:
    """A gate as stored. Times are seconds since the epoch."""

    until_s: float = 0.0
    closed_s: float = 0.0
    checking: bool = False
    why: str = ""
    step: int = 0
