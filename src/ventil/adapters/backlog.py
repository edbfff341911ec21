"""What is still to be done, as the chunks' rows say it, on a file as on a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ventil.adapters.sql import SqlStore
from ventil.ports import RunState


@dataclass(frozen=True, slots=True)
class RunBacklog:
    """What is left of a run.

    `run_key` is its `Run.provider`. `chunks` are those not finished; of them `due` may be
    worked on now, and `claimed` are by a worker (always 0 on a file). `records`: about as many
    as these hold. `since_s`: since when the oldest was planned, or tried last; None without.
    """

    run: str
    run_key: str
    state: RunState
    chunks: int
    due: int
    claimed: int
    records: int
    since_s: float | None


def backlogs(store: SqlStore, now_s: float, *, run: str | None = None) -> list[RunBacklog]:
    """What is left of all runs that are not over, or of one, the oldest first."""
    states = [state.value for state in RunState if state.resumable]
    marks = ", ".join("?" * len(states))
    where, values = (" AND r.id = ?", [run]) if run is not None else ("", [])
    with store._database.direct() as db:
        rows = db.execute(f"{_LEFT} WHERE r.state IN ({marks}){where} {_OF_EACH}",
                          [now_s, *states, *values])  # fmt: skip
        return [
            RunBacklog(
                run=row[0],
                run_key=row[1],
                state=RunState(row[2]),
                chunks=int(row[6]),
                due=int(row[7]),
                claimed=int(row[8]),
                records=-(-(row[3] - row[4]) * int(row[6]) // max(1, int(row[5]))),
                since_s=row[9],
            )
            for row in rows
        ]


_LEFT = """
SELECT r.id, r.provider, r.state, r.records, r.settled_before, count(c.idx),
  sum(CASE WHEN c.finished THEN 0 ELSE 1 END),
  sum(CASE WHEN c.finished OR c.due_s > ? THEN 0 ELSE 1 END),
  sum(CASE WHEN c.finished OR c.owner IS NULL THEN 0 ELSE 1 END),
  min(CASE WHEN c.finished THEN NULL ELSE c.since_s END)
FROM run r JOIN chunk c ON c.run_id = r.id
"""
_OF_EACH = """
GROUP BY r.id, r.provider, r.state, r.records, r.settled_before, r.created_s
ORDER BY r.created_s
"""


def dropped(store: SqlStore, run_keys: Sequence[str] = (), *, run: str | None = None) -> int:
    """Records that a person has dropped, of the runs of some keys or of one run."""
    with store._database.direct() as db:
        if run is not None:
            found = db.execute(
                "SELECT count(*) FROM failure WHERE state = 'dropped' AND run_id = ?", (run,)
            )
        else:
            marks = ", ".join("?" * len(run_keys))
            found = db.execute(
                "SELECT count(*) FROM failure f JOIN run r ON r.id = f.run_id"
                f" WHERE f.state = 'dropped' AND r.provider IN ({marks})",
                list(run_keys),
            )
        return int(found.fetchone()[0])
