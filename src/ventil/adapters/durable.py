"""The durable queue on DBOS Transact; nothing else imports it.

One queue per run, named after it, so that starting one run never wakes another's chunks;
the executor id is the run's too, so a restart takes up exactly what a killed process of
the same run left behind. A workflow makes one attempt at some chunks, one after another:
of one chunk in a small run, of up to `_MOST_CHUNKS` neighbours while many are left,
because a workflow costs 4 ms of the library's time. It hands each chunk to the engine's
event loop and waits in a thread of the library's. The library starts more of them than may
work, so that one that ends is followed at once and not after the next look at the queue: of
these, `at_once` have a chunk in hand, the others wait for their turn. An attempt whose
records partly failed ends, and the next one is queued by itself with a delay: nothing sleeps
in a slot.

An interrupted attempt raises `_Interrupted`, a BaseException: the library records no
outcome for it, just as if the process had been killed, and the next start runs it again.
Workflows run at least once, and after a resume two of them may hold the same chunk: the
handler answers for what is done from the chunk's row, and one under way is waited for.

Settings and traps: DBOS Transact 3.4.0 as measured in November 2026. The queue is
partitioned because only then are claims serialised; the write lock is taken when a
transaction begins, because the library's own SQLite claims read before they lock.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import logging
import shlex
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, SetEnqueueOptions, SetWorkflowID

from ventil.adapters.sqlite import as_state_error, sqlite_engine, sqlite_path
from ventil.errors import StateError, Stopped
from ventil.ports import ChunkHandler

_APPLICATION = "ventil"
APPLICATION_VERSION = "chunks-2"
"""Raised only when an old journal can no longer be replayed by new code."""

_MOST_CHUNKS = 32
_AHEAD = 2  # workflows that wait for their turn, for each that works
_MOST_AHEAD = 30  # each of them holds a thread
_POLL_S = 0.05
_POLL_MANY_S = 0.25
"""A look at the queue costs 2.5 ms. With many attempts queued enough of them wait for their
turn to look seldom; the last ones are short, and what is tried again comes one by one."""
_MANY, _FEW = 4, 3  # attempts queued for each that may work
_STOP_S = 5.0
_SUBSECONDS = (3, 42)
"""The first SQLite with `unixepoch('subsec')`, which the library uses from Python 3.12 on."""
_RECOVERIES = 1_000_000  # the library counts every dispatch; a run may be resumed for ever


class _Interrupted(BaseException):
    """Ends a workflow without an outcome."""


class DbosQueue:
    """The `Durable` port on DBOS. One at a time in a process (the library is global)."""

    def __init__(self, state_url: str) -> None:
        path = sqlite_path(state_url)
        self._path = path.with_name(f"{path.stem}.queue{path.suffix}")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handler: ChunkHandler | None = None
        self._running: set[concurrent.futures.Future[None]] = set()
        self._attempts: dict[tuple[int, int], asyncio.Future[int]] = {}  # the loop's own
        self._lock = threading.Lock()
        self._stopping = False
        self._launched = False
        self._at_once = 1
        self._turn = asyncio.Semaphore(1)
        self._queued = 0  # by us, and not ended
        self._slow = False
        self._retry_delay_s = 0.0
        self._workflow: Any = None
        self._engine: Any = None
        self._run_id: str | None = None
        self._ended: dict[str, str] = {}

    async def start(
        self,
        run_id: str,
        handler: ChunkHandler,
        *,
        at_once: int,
        retry_delay_s: float,
    ) -> None:
        """Launch the library and take up what a crash left over. Raises StateError."""
        self._loop = asyncio.get_running_loop()
        self._handler = handler
        self._at_once = at_once
        self._turn = asyncio.Semaphore(at_once)
        self._retry_delay_s = retry_delay_s
        self._stopping = False
        self._queued, self._slow = 0, False
        self._run_id = run_id
        try:
            await asyncio.to_thread(self._launch, run_id, at_once)
        except Exception as error:
            quoted = shlex.quote(str(self._path))
            raise StateError(
                f"the durable queue {self._path} cannot be opened: {_first_line(error)}",
                hint=f"move it away (mv {quoted} {quoted}.damaged) and give the same "
                "command again: what was fetched is in the ledger, not in the queue",
            ) from error

    def _launch(self, run_id: str, at_once: int) -> None:
        log = logging.getLogger("dbos")
        log.setLevel(logging.CRITICAL)
        # A handler of an earlier start may hold a stderr that is closed by now, and the
        # library flushes its handlers when it starts.
        log.handlers.clear()
        url = f"sqlite:///{self._path}"
        # The library's own migrations begin their transactions themselves.
        with _subseconds_taught():
            DBOS.migrate(url)
        engine = self._engine = sqlite_engine(url)
        if sqlite3.sqlite_version_info < _SUBSECONDS:
            sa.event.listen(engine, "connect", _teach_subseconds)
        started = at_once + min(_AHEAD * at_once, _MOST_AHEAD)
        # A queue that is registered after the launch is noticed up to a second late.
        client = DBOSClient(system_database_engine=engine, application_name=_APPLICATION)
        try:
            client.register_queue(
                run_id,
                worker_concurrency=started,
                partition_concurrency=started,
                polling_interval_sec=_POLL_S,
                on_conflict="always_update",
            )
        finally:
            client.destroy()
        DBOS(
            config={
                "name": _APPLICATION,
                "system_database_url": url,
                "system_database_engine": engine,
                "run_migrations": False,
                "application_version": APPLICATION_VERSION,
                "executor_id": run_id,
                # Nobody listens; the library's stop waits for the end of an interval.
                "notification_listener_polling_interval_sec": 0.05,
                "log_level": "CRITICAL",
            }
        )

        def chunks(run: str, indexes: list[int], number: int) -> None:
            self._process(run, indexes, number)

        self._workflow = DBOS.workflow(name="chunks", max_recovery_attempts=_RECOVERIES)(chunks)
        DBOS.listen_queues([run_id])
        DBOS.launch()
        self._launched = True
        # The engine asks again for an attempt that has ended here only when the ledger
        # does not know of its end: a power cut took its last commits, or somebody put an
        # older copy in its place. Under the old id it would never run.
        ended = DBOS.list_workflows(
            queue_name=run_id,
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            load_input=False,
            load_output=False,
        )
        start = time.time_ns()
        self._ended = {w.workflow_id: f"{w.workflow_id}:{start}" for w in ended}

    def _process(self, run_id: str, indexes: list[int], attempt: int) -> None:
        """The workflow: hands its chunks to the engine's loop, and waits for all of them."""
        with self._lock:
            if self._stopping or self._loop is None:
                raise _Interrupted
            future = asyncio.run_coroutine_threadsafe(
                self._in_turn(run_id, indexes, attempt), self._loop
            )
            self._running.add(future)
        try:
            future.result()
        except (concurrent.futures.CancelledError, Stopped) as stop:
            raise _Interrupted from stop
        finally:
            with self._lock:
                self._running.discard(future)
                self._queued -= 1
            self._look_as_often_as_needed()

    async def _in_turn(self, run_id: str, indexes: list[int], attempt: int) -> None:
        async with self._turn:
            await self._one_by_one(run_id, indexes, attempt)

    async def _one_by_one(self, run_id: str, indexes: list[int], attempt: int) -> None:
        """An attempt at each chunk; the next one is queued where something is left."""
        for index in indexes:
            if await self._attempt(run_id, index, attempt):
                # Outside of this workflow: what it queues would become its child,
                # numbered, and a second execution need not queue the same.
                again = ([index], attempt + 1, self._retry_delay_s)
                alone = contextvars.Context()
                await asyncio.get_running_loop().run_in_executor(
                    None, partial(alone.run, self._enqueue, run_id, *again)
                )

    async def _attempt(self, run_id: str, index: int, attempt: int) -> int:
        """Run the handler; another workflow's attempt that is under way is waited for."""
        this = (index, attempt)
        future = self._attempts.get(this)
        if future is None:
            if self._handler is None:
                raise asyncio.CancelledError
            future = asyncio.ensure_future(self._handler(run_id, index, attempt))
            self._attempts[this] = future
            future.add_done_callback(lambda _: self._attempts.pop(this, None))
        return await future

    def _enqueue(self, run_id: str, indexes: list[int], attempt: int, delay_s: float) -> None:
        """Queue an attempt at some chunks; what is queued under the same id is left."""
        workflow_id = f"{run_id}:{indexes[0]}-{indexes[-1]}:{attempt}"
        with (
            SetWorkflowID(self._ended.get(workflow_id, workflow_id)),
            SetEnqueueOptions(
                queue_partition_key=run_id, delay_seconds=delay_s if delay_s > 0 else None
            ),
        ):
            DBOS.enqueue_workflow(run_id, self._workflow, run_id, indexes, attempt)
        with self._lock:
            self._queued += 1
        self._look_as_often_as_needed()

    def _look_as_often_as_needed(self) -> None:
        """See to how often the library looks at the queue."""
        with self._lock:
            slow = self._queued >= (_FEW if self._slow else _MANY) * self._at_once
            if slow is self._slow or self._stopping or self._run_id is None:
                return
            self._slow = slow
        # Outside of a workflow: what it does there is noted as its step.
        with contextlib.suppress(Exception):
            contextvars.Context().run(
                _look_every, self._run_id, _POLL_MANY_S if slow else _POLL_S
            )

    async def enqueue(self, run_id: str, chunks: Sequence[tuple[int, int, float]]) -> None:
        """Queue (index, attempt, delay in seconds); one that is queued already is left."""

        def put() -> None:
            for indexes, attempt, delay_s in _bundles(chunks, self._at_once):
                if self._stopping:
                    return
                self._enqueue(run_id, indexes, attempt, delay_s)

        try:
            await asyncio.to_thread(put)
        except Exception as error:
            raise as_state_error(error, str(self._path)) from error

    async def stop(self, *, over: bool) -> None:
        """End the library. Attempts under way are interrupted and keep no outcome.

        `over`: the run is finished, so what the queue holds of it is deleted.
        """
        with self._lock:
            self._stopping = True
            running = list(self._running)
        for future in running:
            future.cancel()
        if self._launched:
            await asyncio.to_thread(self._destroy, over)
            self._launched = False

    def _destroy(self, over: bool) -> None:
        # The library's own wait looks once a second; ours ends with the last attempt.
        deadline_s = time.monotonic() + _STOP_S
        while self._running and time.monotonic() < deadline_s:
            time.sleep(0.01)
        if over and self._run_id is not None:
            with contextlib.suppress(Exception):  # only tidying: on a full disk it stays
                ids = [w.workflow_id for w in DBOS.list_workflows(queue_name=self._run_id)]
                if ids:
                    DBOS.delete_workflows(ids)
                DBOS.delete_queue(self._run_id)
        DBOS.destroy(destroy_registry=True)
        if self._engine is not None:
            self._engine.dispose()  # the library leaves an engine that it was given


@contextlib.contextmanager
def _subseconds_taught() -> Iterator[None]:
    """While the library works on an engine of its own."""
    if sqlite3.sqlite_version_info >= _SUBSECONDS:
        yield
        return
    sa.event.listen(sa.pool.Pool, "connect", _teach_subseconds)
    try:
        yield
    finally:
        sa.event.remove(sa.pool.Pool, "connect", _teach_subseconds)


def _teach_subseconds(connection: sqlite3.Connection, _record: object) -> None:
    """Debian 12 and Ubuntu 22.04 have an older SQLite, in which that is NULL."""
    connection.create_function("unixepoch", 1, _unixepoch)


def _unixepoch(when: str) -> float:
    if when != "subsec":
        raise ValueError(f"unixepoch({when!r}) is not known here")
    return time.time()


def _look_every(run_id: str, seconds: float) -> None:
    queue = DBOS.retrieve_queue(run_id)
    if queue is not None:
        queue.set_polling_interval_sec(seconds)


def _bundles(
    chunks: Sequence[tuple[int, int, float]], at_once: int
) -> Iterator[tuple[list[int], int, float]]:
    """Chunks that share a workflow: neighbours of the same attempt and delay.

    The more are left, the more go together; the last ones go alone, so that all of
    *at_once* have work to the end.
    """
    start = 0
    while start < len(chunks):
        most = min(_MOST_CHUNKS, max(1, (len(chunks) - start) // at_once))
        _, attempt, delay_s = chunks[start]
        end = start + 1
        while end < min(start + most, len(chunks)) and chunks[end][1:] == (attempt, delay_s):
            end += 1
        yield [index for index, _, _ in chunks[start:end]], attempt, delay_s
        start = end


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0][:300]
