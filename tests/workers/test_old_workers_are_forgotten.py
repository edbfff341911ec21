"""The workers' table does not grow for ever."""

from __future__ import annotations

import psycopg
from test_pacing import quick, tell, url, worker_of

from ventil.adapters.postgres import conninfo

__all__ = ["quick", "url"]  # fixtures


def test_who_joins_forgets_those_gone_for_a_day(url: str, quick: None) -> None:
    """And nobody who is not gone, or went lately."""

    async def story() -> None:
        with psycopg.connect(conninfo(url), autocommit=True) as db:
            for name, gone, ago_s in (("old", "left", 90_000), ("new", "left", 80_000)):
                db.execute(
                    "INSERT INTO ventil.worker (id, host, providers, slots, version, joined_s,"
                    " seen_s, gone) VALUES (%s, 'h', '[]', 1, '1', 0,"
                    " extract(epoch FROM clock_timestamp()) - %s, %s)",
                    (name, ago_s, gone),
                )
            one = worker_of(url, "one", [])
            await one.join()
            rows = db.execute("SELECT id FROM ventil.worker ORDER BY id").fetchall()
            assert [row[0] for row in rows] == ["new", "one"]
            await one.leave()

    tell(story)
