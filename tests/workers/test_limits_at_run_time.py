"""Limits that a person sets at run time hold for all workers within a beat or two."""

from __future__ import annotations

import asyncio

import pytest

from postgres_server import PostgresServer
from ventil.adapters import pacing
from ventil.adapters.pacing import Pacing
from ventil.adapters.sql import open_store, upgrade_database
from ventil.core.governor import Governor, GovernorState, Permit, Policy

KEY = "p@here"


def test_the_pacer_notices(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer in flight from now on, and again as many when it is taken back."""
    monkeypatch.setattr(pacing, "BEAT_S", 0.1)
    url = postgres.database()
    upgrade_database(url)
    store = open_store(url)
    notes: list[str] = []

    def governor(now_s: float, state: GovernorState | None, lost_s: float) -> Governor:
        most = 1 if store.provider(KEY).limits else 4
        policy = Policy(max_in_flight=most, adaptive=False, timeout_s=1.0)
        return Governor(policy, now_s, state=state, lost_s=lost_s)

    worker = Pacing(
        url,
        worker="w",
        host="here",
        slots=1,
        version="1",
        governors={KEY: governor},
        timeouts_s={KEY: 1.0},
        note=notes.append,
    )

    async def granted() -> list[Permit]:
        leased = worker.leases[KEY].governor("run")
        permits: list[Permit] = []
        while not permits:
            while isinstance(got := leased.admit(worker.clock.now_s(), pending=9), Permit):
                permits.append(got)
            await asyncio.sleep(0.005)
        return permits

    async def noticed(times: int) -> None:
        while sum("were changed" in note for note in notes) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def story() -> None:
        await worker.join()
        assert await granted()
        store.limit_provider(KEY, '{"max_in_flight": "1"}')
        await noticed(1)
        term = worker._terms.mine[KEY]
        assert term.pacer._governor.policy.max_in_flight == 1
        store.limit_provider(KEY, None)
        await noticed(2)
        assert term.pacer._governor.policy.max_in_flight == 4
        assert worker._terms.mine[KEY] is term  # the same term, and all that it knows
        await worker.leave()

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await story()

    asyncio.run(bounded())
    store.close()
