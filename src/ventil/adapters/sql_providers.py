"""The providers' states in a SQL database."""

from __future__ import annotations

import sqlalchemy as sa

from ventil.adapters import tables as t
from ventil.adapters.database import Database
from ventil.ports import ProviderRow


class ProviderRows:
    """The part of the `Store` port on providers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def provider(self, key: str) -> ProviderRow:
        """A provider's row; an empty one when nothing is stored."""
        with self._database.direct() as db:
            row = db.execute(
                "SELECT key, state, stamp_s, paused, limits FROM provider WHERE key = ?", (key,)
            ).fetchone()
        return ProviderRow(*row) if row else ProviderRow(key, None, None, None)

    def providers(self) -> list[ProviderRow]:
        """All providers that anything is stored of, by key."""
        with self._database.read() as db:
            rows = db.execute(sa.select(t.provider).order_by(t.provider.c.key))
            return [
                ProviderRow(row.key, row.state, row.stamp_s, row.paused, row.limits)
                for row in rows
            ]

    def save_provider(self, key: str, state: str, stamp_s: float) -> None:
        """Store a governor's state."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO provider (key, state, stamp_s) VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET state = excluded.state,"
                " stamp_s = excluded.stamp_s",
                (key, state, stamp_s),
            )

    def pause_provider(self, key: str, reason: str | None) -> None:
        """Pause a provider with a reason, or let it go on (None)."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO provider (key, paused) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET paused = excluded.paused",
                (key, reason),
            )

    def limit_provider(self, key: str, limits: str | None) -> None:
        """Store what a person has tightened, as JSON; None: nothing any more."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO provider (key, limits) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET limits = excluded.limits",
                (key, limits),
            )
