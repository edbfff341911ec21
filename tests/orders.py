"""A run as the store keeps it: of a job whose provider answers orders later."""

from __future__ import annotations

import datetime as dt

from ventil.core.model import Interval
from ventil.ports import Run, RunState

ORDERS = Run(
    id="r1",
    job="orders",
    fingerprint="f",
    state=RunState.RUNNING,
    provider="orders@h",
    series="s",
    period="last-week",
    interval=Interval(dt.date(2026, 11, 14), dt.date(2026, 11, 20)),
    day="2026-11-21",
    output="x",
    refresh=False,
    tolerate=0.05,
    created_s=1.0,
    finished_s=None,
    records=3,
    settled_before=0,
)
