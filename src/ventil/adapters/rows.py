"""How values become columns and come back."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa

from ventil.core.model import Interval
from ventil.ports import Run, RunState

_PART = 1000
"""Keys asked for in one statement, which bounds its memory."""


def run_columns(run: Run) -> dict[str, Any]:
    """A run as the columns of its row, all but the keys."""
    return {
        "id": run.id,
        "job": run.job,
        "fingerprint": run.fingerprint,
        "state": run.state.value,
        "provider": run.provider,
        "series": run.series,
        "period": run.period,
        "period_start": run.interval.start.isoformat(),
        "period_end": run.interval.end.isoformat(),
        "day": run.day,
        "output": run.output,
        "refresh": run.refresh,
        "tolerate": run.tolerate,
        "created_s": run.created_s,
        "finished_s": run.finished_s,
        "records": run.records,
        "settled_before": run.settled_before,
        "message": run.message,
        "cancel": run.cancel,
        "tallies": json.dumps(dict(run.tallies), separators=(",", ":")),
        "urgent": run.urgent,
    }


def as_run(row: sa.RowMapping) -> Run:
    """A run from its row."""
    values = dict(row)
    start, end = values.pop("period_start"), values.pop("period_end")
    values["interval"] = Interval(dt.date.fromisoformat(start), dt.date.fromisoformat(end))
    values["state"] = RunState(values["state"])
    values["tallies"] = json.loads(values["tallies"])
    return Run(**values)


def pack(value: object) -> bytes:
    """JSON, compressed: lists of keys."""
    return zlib.compress(msgspec.json.encode(value), 1)


def unpack(blob: bytes) -> list[Any]:
    """What `pack` made."""
    return list(msgspec.json.decode(zlib.decompress(blob)))


def parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """*keys* in parts of bounded size."""
    for at in range(0, len(keys), _PART):
        yield keys[at : at + _PART]


@lru_cache(maxsize=256)
def days(interval: Interval | None) -> tuple[str | None, str | None]:
    """An interval as two ISO dates."""
    if interval is None:
        return None, None
    return interval.start.isoformat(), interval.end.isoformat()


@lru_cache(maxsize=256)
def interval(start: str | None, end: str | None) -> Interval | None:
    """Two ISO dates as an interval; None when there is none.

    Cached: the samples of a run cover the same few intervals.
    """
    if start is None or end is None:
        return None
    return Interval(dt.date.fromisoformat(start), dt.date.fromisoformat(end))
