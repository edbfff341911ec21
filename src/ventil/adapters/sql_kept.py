"""What is kept of records beyond their numbers: documents and memories, in a SQL database."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from ventil.adapters.database import Session
from ventil.core.model import Kept

_LEVEL = 6
"""Documents are prose: at this level they take a third of their size."""

_UPSERT = """
INSERT INTO kept (series_id, name, body, memory, at_s) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (series_id, name) DO UPDATE SET
  body = COALESCE(excluded.body, kept.body),
  memory = COALESCE(excluded.memory, kept.memory), at_s = excluded.at_s
"""


def keep(db: Session, series_id: int, kept: Iterable[tuple[Kept, float]]) -> None:
    """Store each with its time; what is None in it leaves what stands."""
    rows = [
        (
            series_id,
            one.name,
            None if one.body is None else zlib.compress(one.body, _LEVEL),
            one.memory,
            at_s,
        )
        for one, at_s in kept
    ]
    rows.sort(key=lambda row: row[1])  # two workers never wait for each other in a circle
    if rows:
        db.executemany(_UPSERT, rows)


def kept_under(db: Session, series_id: int, name: str) -> Kept | None:
    """What stands under *name*; None when there is nothing."""
    row = db.execute(
        "SELECT body, memory, at_s FROM kept WHERE series_id = ? AND name = ?",
        (series_id, name),
    ).fetchone()
    if row is None:
        return None
    body = None if row[0] is None else zlib.decompress(row[0])
    return Kept(name, body, None if row[1] is None else bytes(row[1]), row[2])
