"""Records that wait for a later answer, and their task tokens, in a SQL database.

A call and a record that begins to wait may meet: both take the token's row first, so that
either the call finds the record waiting, or the record finds the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ventil.adapters.database import Database, Session
from ventil.adapters.rows import pack, parts
from ventil.core.exchange import Called
from ventil.ports import MOST_AHEAD, Callback, Crowd, RunState, Wait

_RESUMABLE = frozenset(state.value for state in RunState if state.resumable)


class WaitingRows:
    """The `WaitingRoom` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- orders and their tokens -----------------------------------------------------

    def next_order(self, run_id: str, key: str) -> int:
        with self._database.direct() as db:
            row = db.execute(
                "SELECT COALESCE(MAX(number) + 1, 0) FROM task_token"
                " WHERE run_id = ? AND key = ? AND state IN ('taken', 'over')",
                (run_id, key),
            ).fetchone()
            return int(row[0])

    def issue(self, run_id: str, key: str, number: int, digest: bytes) -> None:
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO task_token (digest, run_id, key, number, state)"
                " VALUES (?, ?, ?, ?, 'open')",
                (digest, run_id, key, number),
            )

    def answer(self, run_id: str, key: str, number: int) -> Called | None:
        with self._database.direct() as db:
            return _answer(db, run_id, key, number)

    def expects(self, digest: bytes, now_s: float) -> tuple[Callback, str]:
        """What a call to a token's address would come to now, and whose it is.

        TAKEN when its answer is awaited. Whose: the provider key of its run; "" for UNKNOWN.
        """
        with self._database.direct() as db:
            row = db.execute(_CALLED, (digest,)).fetchone()
            return (Callback.UNKNOWN, "") if row is None else (_come_to(db, row, now_s), row[7])

    def call(self, digest: bytes, body: bytes, content_type: str, now_s: float) -> Callback:
        """The provider sends *body* to the address of a token."""
        lock = " FOR UPDATE OF t" if self._database.shared else ""
        with self._database.transaction() as db:
            row = db.execute(f"{_CALLED}{lock}", (digest,)).fetchone()
            come_to = Callback.UNKNOWN if row is None else _come_to(db, row, now_s)
            if come_to is not Callback.TAKEN:
                return come_to
            db.execute(
                "UPDATE task_token SET state = 'answered', body = ?, content_type = ?,"
                " at_s = ? WHERE digest = ?",
                (body, content_type, now_s, digest),
            )
            db.execute(
                "UPDATE waiting SET look_s = 0 WHERE run_id = ? AND key = ? AND number = ?",
                tuple(row[:3]),
            )
            return come_to

    # -- waiting ---------------------------------------------------------------------

    def wait(self, run_id: str, key: str) -> Wait | None:
        with self._database.direct() as db:
            return _wait(db, run_id, key)

    def waits(self, run_id: str) -> list[Wait]:
        """All records of a run that wait, by when they give up."""
        with self._database.direct() as db:
            rows = db.execute(
                f"SELECT {_WAIT} FROM waiting WHERE run_id = ? ORDER BY until_s, key", (run_id,)
            )
            return [_as_wait(row) for row in rows]

    def park(self, run_id: str, wait: Wait) -> bool:
        order = (run_id, wait.key, wait.number)
        with self._database.transaction() as db:
            if self._database.shared:
                db.execute(f"{_OF_ORDER} FOR UPDATE", order)
            if db.execute(_ANSWERED, order).fetchone():
                return False
            stands = _wait(db, run_id, wait.key)
            if stands is not None and stands.number == wait.number and stands.cancelled:
                return False
            db.execute(
                "INSERT INTO waiting (run_id, key, number, until_s, look_s, cancelled, chunk)"
                " VALUES (?, ?, ?, ?, ?, ?, NULL)"
                " ON CONFLICT (run_id, key) DO UPDATE SET number = excluded.number,"
                " until_s = excluded.until_s, look_s = excluded.look_s,"
                " cancelled = excluded.cancelled, chunk = NULL",
                (*order, wait.until_s, wait.look_s, False),
            )
            db.execute(
                "UPDATE task_token SET until_s = ? WHERE run_id = ? AND key = ? AND number = ?",
                (wait.until_s, *order),
            )
            return True

    def cancel_wait(self, run_id: str, key: str) -> bool:
        """Let a record wait no longer; whether it did."""
        with self._database.transaction() as db:
            done = db.execute(
                "UPDATE waiting SET cancelled = ?, look_s = 0"
                " WHERE run_id = ? AND key = ? AND NOT cancelled",
                (True, run_id, key),
            )
            return done.rowcount > 0

    def elsewhere(self, run_id: str, index: int, keys: Sequence[str]) -> set[str]:
        found: set[str] = set()
        with self._database.direct() as db:
            for part in parts(keys):
                rows = db.execute(
                    "SELECT key FROM waiting WHERE run_id = ?"
                    f" AND {self._database.among('key')} AND (chunk IS NULL OR chunk <> ?)",
                    (run_id, self._database.keys(part), index),
                )
                found.update(row[0] for row in rows)
        return found

    def settle(self, run_id: str, index: int, keys: Sequence[str]) -> None:
        with self._database.transaction() as db:
            if self._database.shared:  # tokens first, as `call` and `park` take them
                for part in parts(keys):
                    db.execute(
                        "SELECT 1 FROM task_token WHERE run_id = ?"
                        f" AND {self._database.among('key')}"
                        " AND state IN ('open', 'answered') ORDER BY digest FOR UPDATE",
                        (run_id, self._database.keys(part)),
                    )
            db.execute("DELETE FROM waiting WHERE run_id = ? AND chunk = ?", (run_id, index))
            for part in parts(keys):
                db.execute(
                    "UPDATE task_token SET body = NULL,"
                    " state = CASE state WHEN 'answered' THEN 'taken' ELSE 'over' END"
                    f" WHERE run_id = ? AND {self._database.among('key')}"
                    " AND state IN ('open', 'answered')"
                    # One look into the index each: NOT IN reads all that wait, each time.
                    " AND NOT EXISTS (SELECT 1 FROM waiting w"
                    " WHERE w.run_id = task_token.run_id AND w.key = task_token.key)",
                    (run_id, self._database.keys(part)),
                )

    def wake(
        self, run_id: str, now_s: float, *, most: int, ahead: int = MOST_AHEAD
    ) -> int | None:
        due = (
            "SELECT key FROM waiting WHERE run_id = ? AND chunk IS NULL AND look_s <= ?"
            " ORDER BY look_s LIMIT ?"  # as the index has them: no sorting of all that are due
        )
        with self._database.direct() as db:
            if db.execute(due, (run_id, now_s, 1)).fetchone() is None:
                return None
            row = db.execute(f"SELECT {_AHEAD}", (run_id,)).fetchone()
            if int(row[0]) >= ahead:
                return None
        with self._database.transaction() as db:
            if self._database.shared:  # two workers must not number two chunks alike
                db.execute("SELECT 1 FROM run WHERE id = ? FOR UPDATE", (run_id,))
            keys = [row[0] for row in db.execute(due, (run_id, now_s, most))]
            if not keys:
                return None
            row = db.execute(
                "SELECT COALESCE(MAX(idx) + 1, 0) FROM chunk WHERE run_id = ?", (run_id,)
            ).fetchone()
            index = int(row[0])
            db.execute(
                "INSERT INTO chunk (run_id, idx, batches, attempts, failed, finished, since_s,"
                " collects) VALUES (?, ?, ?, 0, 0, ?, ?, ?)",
                (run_id, index, pack([[key] for key in keys]), False, now_s, True),
            )
            for part in parts(keys):
                db.execute(
                    "UPDATE waiting SET chunk = ? WHERE run_id = ?"
                    f" AND {self._database.among('key')}",
                    (index, run_id, self._database.keys(part)),
                )
            return index

    def due_runs(
        self, providers: Sequence[str], now_s: float, *, ahead: int = MOST_AHEAD
    ) -> list[str]:
        """Running runs of these provider keys with records that `wake` would take up."""
        with self._database.direct() as db:
            rows = db.execute(
                "SELECT r.id FROM run r WHERE r.state = 'running' AND NOT r.cancel"
                f" AND {self._database.among('r.provider')}"
                " AND EXISTS (SELECT 1 FROM waiting w WHERE w.run_id = r.id"
                " AND w.look_s <= ? AND w.chunk IS NULL)"
                f" AND {_AHEAD.replace('?', 'r.id')} < ? ORDER BY r.created_s",
                (self._database.keys(providers), now_s, ahead),
            )
            return [row[0] for row in rows]

    def crowd(self, run_id: str) -> Crowd:
        with self._database.direct() as db:
            count, until_s, busy = db.execute(
                "SELECT COUNT(*), MAX(until_s), EXISTS (SELECT 1 FROM chunk"
                " WHERE run_id = ? AND NOT finished AND NOT collects)"
                " FROM waiting WHERE run_id = ?",
                (run_id, run_id),
            ).fetchone()
            return Crowd(int(count), until_s, not busy)


_CALLED = """
SELECT t.run_id, t.key, t.number, t.state, t.until_s, r.state, r.cancel, r.provider
FROM task_token t JOIN run r ON r.id = t.run_id WHERE t.digest = ?"""

_WAIT = "key, number, until_s, look_s, cancelled"

_AHEAD = "(SELECT COUNT(*) FROM chunk c WHERE c.run_id = ? AND c.collects AND NOT c.finished)"

_OF_ORDER = "SELECT 1 FROM task_token WHERE run_id = ? AND key = ? AND number = ?"

_ANSWERED = f"{_OF_ORDER} AND state IN ('answered', 'taken')"


def _as_wait(row: Sequence[Any]) -> Wait:
    return Wait(row[0], row[1], row[2], row[3], bool(row[4]))


def _wait(db: Session, run_id: str, key: str) -> Wait | None:
    row = db.execute(
        f"SELECT {_WAIT} FROM waiting WHERE run_id = ? AND key = ?", (run_id, key)
    ).fetchone()
    return None if row is None else _as_wait(row)


def _come_to(db: Session, row: Sequence[Any], now_s: float) -> Callback:
    """What a call comes to, by the `_CALLED` row of its token."""
    run_id, key, number, state, until_s, run_state, run_cancel, _ = row
    if state == "taken" or db.execute(_ANSWERED, (run_id, key, number)).fetchone():
        return Callback.REPEATED
    wait = _wait(db, run_id, key)
    if (
        state == "over"
        or run_state not in _RESUMABLE
        or run_cancel
        or (until_s is not None and now_s > until_s)
        or (wait is not None and wait.number == number and wait.cancelled)
    ):
        return Callback.OVER
    return Callback.TAKEN


def _answer(db: Session, run_id: str, key: str, number: int) -> Called | None:
    row = db.execute(
        "SELECT body, content_type FROM task_token"
        " WHERE run_id = ? AND key = ? AND number = ? AND state = 'answered'"
        " ORDER BY at_s LIMIT 1",
        (run_id, key, number),
    ).fetchone()
    return None if row is None else Called(bytes(row[0]), row[1] or "")
