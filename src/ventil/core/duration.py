"""Lengths of time as people write them: ``500ms``, ``30s``, ``5m``, ``1h30m``, ``1d``."""

from __future__ import annotations

import re
from math import isfinite

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_UNIT_OF = {"min": "m", "sec": "s"}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|sec|d|h|m|s)\s*", re.ASCII)
_TEXT = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)

HINT = 'write "500ms", "30s", "5m", "1h30m", "1d", or a number of seconds'


def parse_duration(value: object) -> float:
    """Seconds, 0 or more and finite, from a text or from a number of seconds.

    Raises ValueError, in words for a person, for anything else.
    """
    seconds = -1.0
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and len(value) <= 100:
        text = value.strip().lower()
        if _NUMBER.fullmatch(text):
            seconds = float(text)
        elif _TEXT.fullmatch(text):
            seconds = sum(
                float(count) * _UNITS[_UNIT_OF.get(unit, unit)]
                for count, unit in _PART.findall(text)
            )
    if not (seconds >= 0 and isfinite(seconds)):
        raise ValueError(f"is not a duration; {HINT}")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest spelling that `parse_duration` reads back, to the millisecond: "1h30m"."""
    left_ms = round(seconds * 1000)
    parts = []
    for unit, unit_s in _UNITS.items():
        count, left_ms = divmod(left_ms, round(unit_s * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
