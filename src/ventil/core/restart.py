"""A governor's parts as a frozen state, and from one: what a restart has to honour."""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING

from ventil.core.snapshot import VERSION, BadGovernorState, GovernorState

if TYPE_CHECKING:
    from ventil.core.parts import Parts


def snapshot(it: Parts, now_s: float, *, final: bool = False) -> GovernorState:
    """The state at `now_s`, the latest time seen or later."""
    return GovernorState(
        version=VERSION,
        stamp_s=now_s,
        final=final,
        windows=it.uses.snapshot(now_s),
        announced=it.announced.snapshot(it.weight),
        gate=it.gate.snapshot(),
        breaker=it.breaker.snapshot(),
        limit=it.limit.snapshot() if it.adaptive else None,
        learner=it.learner.snapshot(),
        caution=None if it.caution is None else it.caution.snapshot(),
        etiquette=None if it.etiquette is None else it.etiquette.snapshot(),
        refused=it.refused,
        fastest_s=None if it.fastest_s == inf else it.fastest_s,
    )


def restore(it: Parts, state: GovernorState, lost_s: float) -> None:
    """Go on from a former process's state, which may have sent more for `lost_s`.

    A stamp in the future means that the clock was set back: then no time has passed.
    """
    if state.version > VERSION:
        raise BadGovernorState(f"governor state has version {state.version}")
    now_s = it.now_s
    shift_s = min(0.0, now_s - state.stamp_s)
    it.uses.restore(state.windows, shift_s=shift_s, now_s=now_s)
    it.gate.restore(state.gate, shift_s=shift_s, now_s=now_s)
    it.breaker.restore(state.breaker, shift_s=shift_s, now_s=now_s)
    it.refused = max(0, state.refused)
    if it.caution is not None and state.caution is not None:
        it.caution.restore(state.caution, shift_s=shift_s, now_s=now_s)
    if it.etiquette is not None and state.etiquette is not None:
        it.etiquette.restore(state.etiquette, shift_s=shift_s, now_s=now_s)
    if it.adaptive:
        if state.limit is not None:
            it.limit.restore(state.limit, age_s=now_s - state.stamp_s)
        if state.learner is not None:
            it.learner.restore(state.learner, shift_s=shift_s, now_s=now_s)
    lost = 0.0
    if not state.final and lost_s > 0:
        # Each slot can have been used again no faster than any answer ever came,
        # with a margin of four for the answers that nobody has seen.
        lost = inf
        if state.fastest_s is not None and state.fastest_s > 0:
            rounds = 1 + ceil(4.0 * lost_s / state.fastest_s)
            lost = float(it.policy.max_in_flight * rounds)
            it.fastest_s = state.fastest_s
        at_s = min(now_s, state.stamp_s + shift_s + lost_s)
        it.uses.charge_lost(at_s, lost_s, lost)
    it.announced.restore(state.announced, lost=lost, shift_s=shift_s, now_s=now_s)
