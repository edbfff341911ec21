"""The ledger and the last good values in a SQL database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ventil.adapters.database import Database, Session
from ventil.adapters.rows import days, interval, parts
from ventil.adapters.sql_kept import keep, kept_under
from ventil.adapters.sql_steps import forget_steps, note_steps, steps_of
from ventil.core.fold import Published, publish
from ventil.core.model import Good, Kept, Sample, Status
from ventil.ports import Entry


class Ledger:
    """The part of the `Store` port on samples."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._series: dict[str, int] = {}
        self._noted: set[tuple[int, str]] = set()  # in `unfolded` for sure

    def _series_id(self, db: Session, name: str) -> int:
        """A series' number; -1 when nothing was ever recorded under this name."""
        found = self._series.get(name)
        if found is not None:
            return found
        row = db.execute("SELECT id FROM series WHERE name = ?", (name,)).fetchone()
        return -1 if row is None else int(row[0])

    def series_id(self, name: str) -> int | None:
        """A series' number, if this process has recorded something of it."""
        return self._series.get(name)

    def record(
        self,
        series: str,
        day: str,
        run_id: str,
        samples: Sequence[tuple[Sample, float]],
        *,
        stepped: bool = False,
    ) -> None:
        """Write samples (with the time they were fetched) as one transaction.

        A settled sample is never replaced by one that is not, and a good value only by
        another good one: see `core.fold`.
        """
        rows = []
        unknown = []
        kept = []
        with self._database.transaction() as db:
            series_id = self._series_id(db, series)
            if series_id < 0:
                db.execute(
                    "INSERT INTO series (name) VALUES (?) ON CONFLICT DO NOTHING", (series,)
                )
                series_id = self._series_id(db, series)
            covers, (start, end) = None, days(None)
            last, word = None, ""
            for sample, at_s in samples:
                key, status = sample.key, sample.status
                if sample.interval is not covers:  # nearly all cover the same days
                    covers = sample.interval
                    start, end = days(covers)
                if status is not last:  # and are ok
                    last, word = status, status.value
                rows.append(
                    (
                        series_id,
                        day,
                        key,
                        word,
                        sample.value,
                        start,
                        end,
                        at_s,
                        1,
                        run_id,
                        sample.detail,
                    )
                )
                if status is Status.UNKNOWN:
                    unknown.append((series_id, day, key))
                if sample.kept is not None:
                    kept.append((sample.kept, at_s))
            self._note_unfolded(db, series_id, day)
            if unknown:  # may take the place of a good sample
                db.executemany(f"{_FOLD} AND key = ? {_INTO_GOOD}", unknown)
            self._database.upsert_samples(db, rows)
            if kept:
                keep(db, series_id, kept)
            if stepped:
                forget_steps(db, run_id, [sample.key for sample, _ in samples])
        self._series[series] = series_id  # only once it is committed
        self._noted.add((series_id, day))

    def settled(
        self, series: str, day: str, keys: Sequence[str], *, since_s: float | None = None
    ) -> set[str]:
        """Those of *keys* that need not be asked again in this period.

        With `since_s`, only what was fetched at or after that time counts (a refresh).
        """
        found: set[str] = set()
        floor = float("-inf") if since_s is None else since_s
        with self._database.direct() as db:
            series_id = self._series_id(db, series)
            if not db.execute(_ANY, (series_id, day)).fetchone():
                return found
            for part in parts(keys):
                rows = db.execute(
                    "SELECT key FROM sample WHERE series_id = ? AND day = ?"
                    f" AND {self._database.among('key')}"
                    " AND status IN ('ok', 'unknown') AND fetched_s >= ?",
                    (series_id, day, self._database.keys(part), floor),
                )
                found.update(row[0] for row in rows)
        return found

    def settled_count(
        self, series: str, day: str, keys: Sequence[str], *, since_s: float | None = None
    ) -> int:
        """How many of *keys* `settled` would name, without holding them in memory."""
        return sum(
            len(self.settled(series, day, part, since_s=since_s)) for part in parts(keys)
        )

    def good(self, series: str, keys: Sequence[str]) -> dict[str, Good]:
        """The last good values of those of *keys* that have one."""
        found: dict[str, Good] = {}
        with self._database.direct() as db:
            series_id = self._series_id(db, series)
            unfolded = self._unfolded(db, series_id)
            for part in parts(keys):
                self._add_good(db, series_id, unfolded, part, found)
        return found

    def entries(
        self, series: str, day: str, keys: Sequence[str]
    ) -> Iterator[tuple[str, Entry | None, Good | None]]:
        """For each of *keys*, in order: this period's entry and the last good value.

        A record that is ok in this period has no later good value.
        """
        with self._database.direct() as db:
            series_id = self._series_id(db, series)
            unfolded = self._earlier(db, series_id, day)
            for part in parts(keys):
                yield from self._entries(db, series_id, day, unfolded, part)

    def _entries(
        self,
        db: Session,
        series_id: int,
        day: str,
        unfolded: Sequence[str],
        part: Sequence[str],
    ) -> Iterator[tuple[str, Entry | None, Good | None]]:
        """`entries` of one part of the keys; *unfolded* need not hold *day* itself."""
        rows = {
            row[0]: row
            for row in db.execute(
                'SELECT key, status, value, start, "end", detail, fetched_s, attempts, run_id'
                " FROM sample WHERE series_id = ? AND day = ?"
                f" AND {self._database.among('key')}",
                (series_id, day, self._database.keys(part)),
            )
        }
        good: dict[str, Good] = {}
        left = [key for key in part if key not in rows or rows[key][1] != "ok"]
        if left:
            self._add_good(db, series_id, unfolded, left, good)
        for key in part:
            row = rows.get(key)
            if row is None:
                yield key, None, good.get(key)
                continue
            _, word, value, start, end, detail, fetched_s, attempts, run_id = row
            covers, status = interval(start, end), _STATUS[word]
            entry = Entry(
                Sample(key, status, value, covers, detail), fetched_s, attempts, run_id
            )
            if status is Status.OK:
                yield key, entry, Good(value, covers, fetched_s)
            else:
                yield key, entry, good.get(key)

    def published(self, series: str, day: str, keys: Sequence[str]) -> Iterator[Published]:
        """What is published of each of *keys*, in order: see `core.fold.publish`.

        Nearly all records are ok, and of those no more is read than is published.
        """
        with self._database.direct() as db:
            series_id = self._series_id(db, series)
            unfolded = self._earlier(db, series_id, day)
            for part in parts(keys):
                numbers = {
                    key: (value, start, end)
                    for key, value, start, end in db.execute(
                        'SELECT key, value, start, "end" FROM sample'
                        " WHERE series_id = ? AND day = ?"
                        f" AND {self._database.among('key')}"
                        " AND status = 'ok' AND value IS NOT NULL",
                        (series_id, day, self._database.keys(part)),
                    )
                }
                left = [key for key in part if key not in numbers]
                others = {}
                if left:
                    for key, entry, good in self._entries(db, series_id, day, unfolded, left):
                        others[key] = publish(key, entry.sample if entry else None, good)
                for key in part:
                    found = numbers.get(key)
                    if found is None:
                        yield others[key]
                    else:
                        value, start, end = found
                        yield Published(key, Status.OK, value, interval(start, end))

    def kept(self, series: str, name: str) -> Kept | None:
        """What `record` has kept under a name; None when there is nothing."""
        with self._database.direct() as db:
            return kept_under(db, self._series_id(db, series), name)

    def note_steps(self, run_id: str, steps: Sequence[tuple[str, int, bytes]]) -> None:
        """Note (record, number, data) of records that are under way in a run."""
        with self._database.transaction() as db:
            note_steps(db, run_id, steps)

    def steps(self, run_id: str, key: str) -> list[bytes]:
        """What is noted of a record in a run, in the order of the numbers."""
        with self._database.direct() as db:
            return steps_of(db, run_id, key)

    # -- last good values ------------------------------------------------------------

    def _unfolded(self, db: Session, series_id: int) -> list[str]:
        """The days of a series whose samples are newer than its good values, in order."""
        return [
            row[0]
            for row in db.execute(
                "SELECT day FROM unfolded WHERE series_id = ? ORDER BY day", (series_id,)
            )
        ]

    def _earlier(self, db: Session, series_id: int, day: str) -> list[str]:
        """The same without *day* itself, of which the caller knows what is ok."""
        return [other for other in self._unfolded(db, series_id) if other != day]

    def _add_good(
        self,
        db: Session,
        series_id: int,
        unfolded: Sequence[str],
        asked: Sequence[str],
        found: dict[str, Good],
    ) -> None:
        """Add the last good values of the keys *asked*."""
        among, keys = self._database.among("key"), self._database.keys(asked)
        rows = db.execute(
            'SELECT key, value, start, "end", fetched_s FROM good'
            f" WHERE series_id = ? AND {among}",
            (series_id, keys),
        )
        for key, value, start, end, fetched_s in rows:
            found[key] = Good(value, interval(start, end), fetched_s)
        for day in unfolded:
            rows = db.execute(
                'SELECT key, value, start, "end", fetched_s FROM sample'
                f" WHERE series_id = ? AND day = ? AND {among} AND status = 'ok'",
                (series_id, day, keys),
            )
            for key, value, start, end, fetched_s in rows:
                found[key] = Good(value, interval(start, end), fetched_s)

    def _note_unfolded(self, db: Session, series_id: int, day: str) -> None:
        """This period has samples that are newer than the good values."""
        if not self._database.shared:
            if (series_id, day) not in self._noted:
                db.execute(f"{_NOTE} ON CONFLICT DO NOTHING", (series_id, day))
            return
        # Another process may fold at any time; it waits for those who hold the row.
        while not db.execute(
            "SELECT 1 FROM unfolded WHERE series_id = ? AND day = ? FOR SHARE",
            (series_id, day),
        ).fetchone():
            db.execute(f"{_NOTE} ON CONFLICT DO NOTHING", (series_id, day))

    def fold(self, db: Session, before_day: str) -> None:
        """Fold the good samples of all periods that are not folded yet into `good`.

        On a shared database those before *before_day* alone, on which no run works: who
        writes there would wait for it, and small runs would fold a large one again and again.
        """
        if self._database.shared:
            db.execute("SET LOCAL statement_timeout TO 0")  # of a million it takes a while
            days = list(db.execute(_OVER, (before_day,)))
        else:
            days = list(db.execute("SELECT series_id, day FROM unfolded ORDER BY day"))
        for series_id, day in days:
            db.execute(f"{_FOLD} {_INTO_GOOD}", (series_id, day))
        if days:
            db.executemany("DELETE FROM unfolded WHERE series_id = ? AND day = ?", days)
        self._noted.clear()


_STATUS = {status.value: status for status in Status}

_ANY = "SELECT 1 FROM sample WHERE series_id = ? AND day = ? LIMIT 1"

_OVER = """
SELECT u.series_id, u.day FROM unfolded u JOIN series s ON s.id = u.series_id
WHERE u.day < ? AND NOT EXISTS (
  SELECT 1 FROM run WHERE run.series = s.name AND run.day = u.day AND run.state = 'running')
ORDER BY u.day FOR UPDATE OF u
"""

_NOTE = "INSERT INTO unfolded (series_id, day) VALUES (?, ?)"

_FOLD = """
INSERT INTO good (series_id, key, value, start, "end", fetched_s)
SELECT series_id, key, value, start, "end", fetched_s FROM sample
WHERE series_id = ? AND day = ? AND status = 'ok'
"""

_INTO_GOOD = """
ON CONFLICT (series_id, key) DO UPDATE SET
  value = excluded.value, start = excluded.start, "end" = excluded."end",
  fetched_s = excluded.fetched_s
"""

SAMPLE_COLUMNS = (
    'series_id, day, key, status, value, start, "end", fetched_s, attempts, run_id, detail'
)

ON_SAMPLE_CONFLICT = """
ON CONFLICT (series_id, day, key) DO UPDATE SET
  status = excluded.status, value = excluded.value, start = excluded.start,
  "end" = excluded."end", fetched_s = excluded.fetched_s, attempts = sample.attempts + 1,
  run_id = excluded.run_id, detail = excluded.detail
WHERE excluded.status IN ('ok', 'unknown') OR sample.status NOT IN ('ok', 'unknown')
"""
