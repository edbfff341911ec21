"""What `ventil serve` asks of the state database, in a thread of its own.

A call waits for a lock of the database there, and holds nobody else up. Nothing here changes
anything but the one answer that a token's holder brings.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ventil.adapters.sql import SqlStore
from ventil.core.governor import BadGovernorState
from ventil.errors import SettingError
from ventil.ports import Callback, Run
from ventil.wiring.deferring import call, expects
from ventil.wiring.workshop import Workshop

MOST_RUNS = 20

_T = TypeVar("_T")


class Serving:
    """The state behind the server. Raises StateError, WrongDatabase, SettingError."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._thread = ThreadPoolExecutor(1, "ventil-serve")
        self._store: SqlStore | None = None

    async def open(self) -> None:
        """Open the state database; a file is created where there is none."""
        await self._do(lambda store: None)

    async def expects(self, token: str) -> tuple[Callback, str]:
        """What a call to a token's address would come to now, and whose it is."""
        now_s = self._workshop.clock.now_s()
        return await self._do(lambda store: expects(store, token, now_s))

    async def call(self, token: str, body: bytes, content_type: str) -> Callback:
        """Take what somebody sends to a token's address."""
        now_s = self._workshop.clock.now_s()
        return await self._do(lambda store: call(store, token, body, content_type, now_s))

    async def check(self) -> None:
        """Return when the state database answers."""
        await self._do(lambda store: store.runs(limit=1))

    async def status(self) -> dict[str, Any]:
        """The latest runs and the providers, as JSON may say them."""
        return await self._do(self._status)

    async def close(self) -> None:
        """Close the state database."""
        if self._store is not None:
            await self._do(lambda store: store.close())
        self._thread.shutdown()

    async def _do(self, work: Callable[[SqlStore], _T]) -> _T:
        def done() -> _T:
            if self._store is None:
                self._store = self._workshop.store()
            return work(self._store)

        return await asyncio.get_running_loop().run_in_executor(self._thread, done)

    # -- how things stand ------------------------------------------------------------

    def _status(self, store: SqlStore) -> dict[str, Any]:
        now_s = self._workshop.clock.now_s()
        return {
            "at": _time(now_s),
            "runs": [self._run(store, run) for run in store.runs(limit=MOST_RUNS)],
            "providers": self._providers(store, now_s),
        }

    def _run(self, store: SqlStore, run: Run) -> dict[str, Any]:
        crowd = store.crowd(run.id)
        waits = sorted(run.tallies.get("waits_s", {}).items(), key=lambda item: -item[1])
        chunks = store.chunk_progress(run.id)
        return {
            "run": run.id,
            "job": run.job,
            "state": run.state.value,
            "message": run.message,
            "records": run.records,
            "chunks": len(chunks),
            "chunks_finished": sum(row[3] for row in chunks),
            "waiting": crowd.count,
            "waiting_until": None if crowd.until_s is None else _time(crowd.until_s),
            "began": _time(run.created_s),
            "ended": None if run.finished_s is None else _time(run.finished_s),
            "requests": run.tallies.get("requests", {}),
            "limited_by": [
                {"reason": reason, "seconds": round(seconds, 1)} for reason, seconds in waits
            ],
        }

    def _providers(self, store: SqlStore, now_s: float) -> list[dict[str, Any]]:
        found = []
        for row in store.providers():
            name = row.key.partition("@")[0]
            words = None
            try:
                if self._workshop.provider_key(name) == row.key:
                    governor, _ = self._workshop.governor(name, store)
                    words = governor.condition(now_s).words
            except (SettingError, BadGovernorState):
                pass  # of a former configuration
            state = f"paused: {row.paused}" if row.paused is not None else words
            found.append({"provider": name, "key": row.key, "state": state})
        return found


def _time(moment_s: float) -> str:
    return dt.datetime.fromtimestamp(moment_s, dt.UTC).isoformat(timespec="seconds")
