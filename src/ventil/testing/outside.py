"""Fakes of the ports that face outwards: transport, queue, reporter, and a plain provider."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from ventil.core.exchange import Fetch, Outcome, Reply, Request, Response
from ventil.core.model import Good, Sample, Status
from ventil.core.outcome import judge_http
from ventil.core.period import Period
from ventil.ports import ChunkHandler, Run

Answer = Callable[[Request], Reply | Awaitable[Reply]]


class ScriptedTransport:
    """The `Transport` port: a function, or a list that is used up, gives the replies.

    Each answer takes `latency_s` of the loop's time; *answer* may be a coroutine function
    that takes its own. `sent` holds (loop time in seconds, request) in the order sent.
    Raises IndexError when the list is used up.
    """

    def __init__(self, answer: Answer | Iterable[Reply], *, latency_s: float = 0.0) -> None:
        if callable(answer):
            self._answer: Answer = answer
        else:
            script = list(answer)
            self._answer = lambda _: script.pop(0)
        self.latency_s = latency_s
        self.sent: list[tuple[float, Request]] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.cut_off = 0
        self.closed = False

    @property
    def targets(self) -> list[str]:
        """What was asked for, in the order sent."""
        return [request.target for _, request in self.sent]

    async def send(self, request: Request) -> Reply:
        """The scripted answer; `cut_off` counts those that were cancelled under way."""
        self.sent.append((asyncio.get_running_loop().time(), request))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            reply = self._answer(request)
            return await reply if isawaitable(reply) else reply
        except asyncio.CancelledError:
            self.cut_off += 1
            raise
        finally:
            self.in_flight -= 1

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


class InlineQueue:
    """The `Durable` port without a library: tasks of the running loop.

    What is queued outlives `stop` as long as this object does, so a second `start` (of
    another loop even) takes up what the first left over, like a real queue after a crash.
    Times of delayed attempts are seconds by *now_s*, which defaults to the loop's time.
    """

    def __init__(self, now_s: Callable[[], float] | None = None) -> None:
        self._now_s = now_s or (lambda: asyncio.get_running_loop().time())
        self._waiting: dict[tuple[str, int, int], float] = {}  # due at
        self._seen: set[tuple[str, int, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._handler: ChunkHandler | None = None
        self._slots = asyncio.Semaphore(1)
        self._retry_delay_s = 0.0
        self.attempts: list[tuple[int, int]] = []

    @property
    def waiting(self) -> list[tuple[int, int]]:
        """(index, attempt) of what is queued and has not ended, in order."""
        return [(index, attempt) for _, index, attempt in self._waiting]

    async def start(
        self, run_id: str, handler: ChunkHandler, *, at_once: int, retry_delay_s: float
    ) -> None:
        """Begin to run what is queued of this run."""
        self._handler = handler
        self._seen = set(self._waiting)
        self._slots = asyncio.Semaphore(at_once)
        self._retry_delay_s = retry_delay_s
        for place in [place for place in self._waiting if place[0] == run_id]:
            self._spawn(place)

    async def enqueue(self, run_id: str, chunks: Sequence[tuple[int, int, float]]) -> None:
        """Queue (index, attempt, delay in seconds); what this start has queued is left."""
        for index, attempt, delay_s in chunks:
            self._put((run_id, index, attempt), delay_s)

    def _put(self, place: tuple[str, int, int], delay_s: float) -> None:
        if place not in self._seen:
            self._seen.add(place)
            self._waiting[place] = self._now_s() + delay_s
            if self._handler is not None:
                self._spawn(place)

    def _spawn(self, place: tuple[str, int, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._attempt(place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, place: tuple[str, int, int]) -> None:
        delay_s = self._waiting[place] - self._now_s()
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        async with self._slots:
            handler = self._handler
            if handler is None:
                return
            run_id, index, attempt = place
            self.attempts.append((index, attempt))
            again = await handler(run_id, index, attempt)
        del self._waiting[place]
        if again:
            self._put((run_id, index, attempt + 1), self._retry_delay_s)

    async def stop(self, *, over: bool) -> None:
        """Interrupt what is under way; it stays queued unless the run is *over*."""
        self._handler = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if over:
            self._waiting.clear()
            self._seen.clear()

    def copy(self, now_s: Callable[[], float] | None = None) -> InlineQueue:
        """What a kill at this moment would leave: all that has not ended, still queued."""
        left = InlineQueue(now_s or self._now_s)
        left._waiting = dict(self._waiting)
        left._seen = set(self._seen)
        return left


class RecordingReporter:
    """The `Reporter` port: keeps what it was told."""

    def __init__(self) -> None:
        self.starts: list[tuple[Run, bool, int]] = []
        self.snapshots: list[Mapping[str, Any]] = []
        self.notes: list[str] = []
        self.endings: list[str] = []

    def started(self, run: Run, *, resumed: bool, chunks: int) -> None:
        """Keep (run, resumed, chunks)."""
        self.starts.append((run, resumed, chunks))

    def progress(self, snapshot: Mapping[str, Any]) -> None:
        """Keep the snapshot."""
        self.snapshots.append(snapshot)

    def note(self, text: str) -> None:
        """Keep the note."""
        self.notes.append(text)

    def ended(self, text: str) -> None:
        """Keep the last words."""
        self.endings.append(text)


@dataclass(frozen=True, slots=True)
class PlainProvider:
    """The `Provider` port at its plainest: `GET /KEY,KEY` answers one number for all.

    200 with a whole number is `ok` for each of the batch's records, 404 `unknown`, and
    anything else `failed`, with the reply as detail. `batch_size` records go in a batch.
    """

    name: str = "plain"
    batch_size: int = 1

    def batches(self, keys: Iterable[str], /) -> Iterable[tuple[str, ...]]:
        """*keys* in their order, `batch_size` together."""
        rest = list(keys)
        while rest:
            yield tuple(rest[: self.batch_size])
            rest = rest[self.batch_size :]

    def fetch(self, keys: Sequence[str], period: Period, good: Mapping[str, Good], /) -> Fetch:
        """One request for the batch."""
        reply = yield Request("/" + ",".join(keys))
        assert reply is not None  # noqa: S101 - the protocol of recipes
        if isinstance(reply, Response) and reply.status == 200:
            value = int(reply.body)
            return [Sample(key, Status.OK, value, period.interval) for key in keys]
        if isinstance(reply, Response) and reply.status == 404:
            return [Sample(key, Status.UNKNOWN, detail="no such record") for key in keys]
        detail = str(reply.status) if isinstance(reply, Response) else reply.detail
        return [Sample(key, Status.FAILED, detail=detail) for key in keys]

    def judge(self, request: Request, reply: Reply, now_s: float, /) -> Outcome:
        """By status and header fields."""
        return judge_http(reply, now_s)


def answer(status: int = 200, body: object = 1, **headers: str) -> Response:
    """A `Response` in short: `answer(429, retry_after="5")`."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, fields, str(body).encode())
