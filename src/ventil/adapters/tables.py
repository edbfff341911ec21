"""The tables of the ledger, the runs, the failure queue and the providers' states.

`SCHEMA_VERSION` is written into the database; a newer one is refused, an older one is
migrated forward, see `schema`. Keys of records are stored once a period in
`sample`, and once in `good` (the last good value); both are clustered by their primary
key, so a chunk's keys are read in a few page fetches.

The samples of a period named in `unfolded` are newer than what `good` holds: they are
folded into it in one sweep by the next run or pruning. To write both at once, in the order
in which a provider answers, costs twice the pages.
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = 5

metadata = sa.MetaData()

version = sa.Table("ventil_version", metadata, sa.Column("version", sa.Integer, nullable=False))

series = sa.Table(
    "series",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("series", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("period_start", sa.Text, nullable=False),
    sa.Column("period_end", sa.Text, nullable=False),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("output", sa.Text, nullable=False),
    sa.Column("refresh", sa.Boolean, nullable=False),
    sa.Column("tolerate", sa.Float, nullable=False),
    sa.Column("created_s", sa.Float, nullable=False),
    sa.Column("finished_s", sa.Float),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Column("settled_before", sa.Integer, nullable=False),
    sa.Column("message", sa.Text, nullable=False, server_default=""),
    sa.Column("cancel", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("tallies", sa.Text, nullable=False, server_default="{}"),
    sa.Column("keys", sa.LargeBinary, nullable=False),
    # Whether a person waits for it; see `core.places`.
    sa.Column("urgent", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("run_by_job", "job", "state"),
    sa.Index("run_by_created", "created_s"),
)

chunk = sa.Table(
    "chunk",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("idx", sa.Integer, primary_key=True),
    sa.Column("batches", sa.LargeBinary, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("finished", sa.Boolean, nullable=False),
    sa.Column("since_s", sa.Float, nullable=False),
    # Many workers: who works on it, None for nobody, and not before when.
    sa.Column("owner", sa.Text),
    sa.Column("due_s", sa.Float, nullable=False, server_default="0"),
    # Whether it was made to look at records that wait for a later answer.
    sa.Column("collects", sa.Boolean, nullable=False, server_default=sa.false()),
)

chunk_open = sa.Index(
    "chunk_open",
    chunk.c.run_id,
    chunk.c.idx,
    postgresql_where=sa.text("NOT finished AND owner IS NULL"),
    sqlite_where=sa.text("NOT finished AND owner IS NULL"),
)

sample = sa.Table(
    "sample",
    metadata,
    sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("value", sa.BigInteger),
    sa.Column("start", sa.Text),
    sa.Column("end", sa.Text),
    sa.Column("fetched_s", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

good = sa.Table(
    "good",
    metadata,
    sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    sa.Column("start", sa.Text),
    sa.Column("end", sa.Text),
    sa.Column("fetched_s", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

kept = sa.Table(
    "kept",
    metadata,
    sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary),
    sa.Column("memory", sa.LargeBinary),
    sa.Column("at_s", sa.Float, nullable=False),
)

step = sa.Table(
    "step",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

unfolded = sa.Table(
    "unfolded",
    metadata,
    sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)

failure = sa.Table(
    "failure",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.Text, sa.ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("first_s", sa.Float, nullable=False),
    sa.Column("last_s", sa.Float, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.UniqueConstraint("run_id", "key"),
)

provider = sa.Table(
    "provider",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("state", sa.Text),
    sa.Column("stamp_s", sa.Float),
    sa.Column("paused", sa.Text),
    sa.Column("limits", sa.Text),  # what a person has tightened at run time, as JSON
)

# Answers that come later. A record that waits has a row in `waiting`: `chunk` is the one that
# looks at it just now. A task token is there as its SHA-256 alone; its row outlives the wait,
# so that whoever calls late, or twice, is told so.

waiting = sa.Table(
    "waiting",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("until_s", sa.Float, nullable=False),
    sa.Column("look_s", sa.Float, nullable=False),
    sa.Column("cancelled", sa.Boolean, nullable=False),
    sa.Column("chunk", sa.Integer),
    sa.Index("waiting_by_look", "run_id", "look_s"),
)

task_token = sa.Table(
    "task_token",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("run_id", sa.Text, sa.ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # open, answered; then taken, over
    sa.Column("until_s", sa.Float),
    sa.Column("body", sa.LargeBinary),
    sa.Column("content_type", sa.Text),
    sa.Column("at_s", sa.Float),
    sa.Index("task_token_by_order", "run_id", "key", "number"),
)

# Many workers; a SQLite file, which has one, leaves these empty. Times are the database's.

worker = sa.Table(
    "worker",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, sa.Identity(), nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("providers", sa.Text, nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("joined_s", sa.Float, nullable=False),
    sa.Column("seen_s", sa.Float, nullable=False),
    sa.Column("gone", sa.Text),
)

pacer = sa.Table(
    "pacer",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("term", sa.BigInteger, nullable=False),
    sa.Column("until_s", sa.Float, nullable=False),
)

run_part = sa.Table(
    "run_part",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("worker", sa.Text, primary_key=True),
    sa.Column("tallies", sa.Text, nullable=False),
)
