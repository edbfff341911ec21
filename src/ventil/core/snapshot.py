"""A governor's state as a frozen, versioned value, and its JSON.

Times are seconds since the epoch, so that a state means the same in another process.
Reading is strict: what is damaged or was written by a newer version is refused with a
`BadGovernorState` (a ValueError) that names the place; a start without state is then the
caller's choice, not an accident.
"""

from __future__ import annotations

import json
import types
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from math import isfinite
from typing import Any, Union, get_args, get_origin, get_type_hints

from ventil.core.announced import BudgetState
from ventil.core.breaker import BreakerState
from ventil.core.caution import CautionState
from ventil.core.cooldown import GateState
from ventil.core.etiquette import EtiquetteState
from ventil.core.learner import LearnerState
from ventil.core.limit import LimitState
from ventil.core.quota import WindowState

VERSION = 1


class BadGovernorState(ValueError):
    """A stored governor state is damaged, or was written by a newer version."""


@dataclass(frozen=True, slots=True)
class PromiseState:
    """*worker* holds at most so many slots until the next state is stored."""

    worker: str
    most: int


@dataclass(frozen=True, slots=True)
class GovernorState:
    """All that a governor needs to go on where a former one stopped.

    `stamp_s` is when it was taken. `final` is true when nothing was sent after it: a
    clean stop. `fastest_s` is the shortest answer time ever seen, None before the first;
    `slowest_s` the longest of the last minute or two, None when that was not looked for.
    `promises` of a pacer (see `promise`), None where there are none.
    """

    version: int
    stamp_s: float
    final: bool = False
    windows: tuple[WindowState, ...] = ()
    gate: GateState = field(default_factory=GateState)
    breaker: BreakerState = field(default_factory=BreakerState)
    announced: tuple[BudgetState, ...] = ()
    limit: LimitState | None = None
    learner: LearnerState | None = None
    caution: CautionState | None = None
    etiquette: EtiquetteState | None = None
    refused: int = 0
    fastest_s: float | None = None
    slowest_s: float | None = None
    promises: tuple[PromiseState, ...] | None = None

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> GovernorState:
        """Read what `to_json` wrote; raise `BadGovernorState` otherwise."""
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise BadGovernorState(f"governor state is not JSON: {error}") from None
        except RecursionError:
            raise BadGovernorState("governor state is nested too deeply") from None
        if not isinstance(raw, dict) or not isinstance(raw.get("version"), int):
            raise BadGovernorState("governor state has no version")
        if raw["version"] > VERSION:
            raise BadGovernorState(
                f"governor state has version {raw['version']}, newer than this program's "
                f"{VERSION}: update the program, or forget the state"
            )
        state: GovernorState = _decode(cls, raw, "state")
        return state


def _decode(kind: Any, raw: Any, place: str) -> Any:
    """`raw` as an instance of `kind`, checked throughout."""
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(raw, dict):
            raise BadGovernorState(f"governor state is damaged: {place} is no object")
        hints = get_type_hints(kind)
        known = {f.name for f in fields(kind)}
        values = {
            name: _decode(hints[name], value, f"{place}.{name}")
            for name, value in raw.items()
            if name in known
        }
        try:
            return kind(**values)
        except TypeError as error:
            raise BadGovernorState(f"governor state is damaged: {place}: {error}") from None
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if raw is None:
            return None
        (inner,) = [arg for arg in get_args(kind) if arg is not type(None)]
        return _decode(inner, raw, place)
    if origin is tuple:
        args = get_args(kind)
        if isinstance(raw, list) and args[-1] is Ellipsis:
            return tuple(_decode(args[0], v, f"{place}[{i}]") for i, v in enumerate(raw))
        if isinstance(raw, list) and len(raw) == len(args):
            pairs = zip(args, raw, strict=True)
            return tuple(_decode(a, v, f"{place}[{i}]") for i, (a, v) in enumerate(pairs))
    elif kind is bool or kind is str:
        if isinstance(raw, kind):
            return raw
    elif isinstance(raw, (int, float)) and not isinstance(raw, bool):
        if kind is float and abs(raw) < 1e18 and isfinite(raw):
            return float(raw)
        if kind is int and isinstance(raw, int) and abs(raw) < 1 << 62:
            return raw
    raise BadGovernorState(f"governor state is damaged: {place} is {str(raw)[:40]!r}")
