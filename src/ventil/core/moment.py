"""Moments as people read them."""

from __future__ import annotations

import datetime as dt


def clock_words(moment_s: float, now_s: float) -> str:
    """A moment as people read it: 14:05 UTC, with seconds when near, with a date when far."""
    try:
        moment = dt.datetime.fromtimestamp(moment_s, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{moment_s:.0f}"
    away_s = abs(moment_s - now_s)
    if away_s < 120:
        return moment.strftime("%H:%M:%S UTC")
    return moment.strftime("%H:%M UTC" if away_s < 72_000 else "%Y-%m-%d %H:%M UTC")
