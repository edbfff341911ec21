"""A worker that froze in the middle of a transaction holds up none of the others."""

from __future__ import annotations

import psycopg
from test_pacing import KEY, permit_of, quick, settle, tell, until, url, worker_of

from ventil.adapters.postgres import conninfo
from ventil.adapters.worker_store import WorkerStore

__all__ = ["quick", "url"]  # fixtures


def test_the_others_go_on_beside_a_row_that_is_held(url: str, quick: None) -> None:
    """Nobody's session breaks: they try again at each beat, and get it when it is free."""

    async def story() -> None:
        notes: list[str] = []
        one = worker_of(url, "one", notes)
        with (
            psycopg.connect(conninfo(url), autocommit=True) as db,
            psycopg.connect(conninfo(url)) as frozen,
        ):
            db.execute(
                "INSERT INTO ventil.worker (id, host, providers, slots, version, joined_s,"
                " seen_s) VALUES ('ice', 'h', '[]', 1, '1', 0, 0)"
            )
            db.execute(
                "INSERT INTO ventil.pacer (provider, worker, term, until_s)"
                " VALUES (%s, 'ice', 1, 0)",
                (KEY,),
            )
            frozen.execute("SELECT 1 FROM ventil.worker WHERE id = 'ice' FOR SHARE")
            frozen.execute("SELECT 1 FROM ventil.pacer FOR SHARE")
            await one.join()
            held = one.leases[KEY].governor("run")
            held.admit(one.clock.now_s())  # it needs a pacer
            seen = "SELECT seen_s FROM ventil.worker WHERE id = 'one'"
            for _ in range(3):  # beats, each of which meets both rows
                before = db.execute(seen).fetchone()
                await until(lambda before=before: db.execute(seen).fetchone() != before)  # type: ignore[misc]
            assert KEY not in one._terms.mine
            assert notes == []
            frozen.rollback()
        settle(one, await permit_of(one))
        await until(lambda: any("ice is gone" in note for note in notes))
        assert not any("cannot be reached" in note for note in notes)
        await one.leave()

    tell(story)


def test_the_server_lets_no_worker_hold_a_row_for_long(url: str, quick: None) -> None:
    """Every connection that holds one in a transaction says how long it may stand idle."""
    setting = "SHOW idle_in_transaction_session_timeout"

    async def story() -> None:
        one = worker_of(url, "one", [])
        await one.join()
        async with await one._connect() as connection:
            found = await connection.execute(setting)
            assert await found.fetchone() == ("2s",)
        store = WorkerStore(url, "one")
        with store._database.transaction() as db:
            assert db.execute(setting).fetchone() == ("4s",)
        store.close()
        await one.leave()

    tell(story)
