"""The noted steps of records under way, in a SQL database."""

from __future__ import annotations

from collections.abc import Sequence

from ventil.adapters.database import Session


def note_steps(db: Session, run_id: str, steps: Sequence[tuple[str, int, bytes]]) -> None:
    """Note (record, number, data); a number that stands is written over."""
    db.executemany(
        "INSERT INTO step (run_id, key, number, data) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (run_id, key, number) DO UPDATE SET data = excluded.data",
        [(run_id, key, number, data) for key, number, data in steps],
    )


def steps_of(db: Session, run_id: str, key: str) -> list[bytes]:
    """What is noted of a record, in order."""
    rows = db.execute(
        "SELECT data FROM step WHERE run_id = ? AND key = ? ORDER BY number", (run_id, key)
    )
    return [bytes(row[0]) for row in rows]


def forget_steps(db: Session, run_id: str, keys: Sequence[str]) -> None:
    """Forget what is noted of these records."""
    db.executemany(
        "DELETE FROM step WHERE run_id = ? AND key = ?", [(run_id, key) for key in keys]
    )
