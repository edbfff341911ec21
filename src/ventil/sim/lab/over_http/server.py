"""A loopback server that plays a scenario of the lab in real time.

The model is the lab's own `Server`, put to work on the wall clock: what it plans (the end
of a service, an answer, an event) stands in its heap with a time, and one timer of the
event loop looks after the earliest. Everything happens in order of its planned time, so a
timer that comes late makes nothing of the model late but the answer on the wire. The way
there and back (`Provider.rtt_s`, an added `Delay`) is waited for here, since loopback has none.

::

    GET  /r/17              record 17: 200, 429 or 503 as the model decides, or silence
    GET  /downloads/point/2026-01-05/@r/17      the same record, answered as npm does
    POST /-/lab/start       the clock starts (it does by itself with the first record)
    GET  /-/lab/report      what was counted, as JSON; see `LabServer.report`
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote_to_bytes

from ventil.sim.lab.provider import (
    ARRIVE,
    EVENT,
    FINISH,
    NO_ANSWER,
    OK,
    REPLY,
    TOO_MANY,
    Flight,
    Heap,
    Outage,
    Server,
)

if TYPE_CHECKING:
    from ventil.sim.lab.race import Scenario

_REASONS = {200: b"OK", 404: b"Not Found", 429: b"Too Many Requests", 503: b"Unavailable"}
_MOST_HEAD = 64 * 1024
_RECORD = re.compile(
    rb"/(?:r|downloads/point/(?P<from>[0-9-]+)(?::(?P<to>[0-9-]+))?/(?P<name>@r))/(?P<record>\d+)"
)


def _body(found: re.Match[bytes]) -> bytes:
    """What a record says: its number, or as npm does a count for the days asked about."""
    if not found["name"]:
        return b'{"record": %b}' % found["record"]
    return b'{"downloads": 7, "start": "%b", "end": "%b", "package": "@r/%b"}' % (
        found["from"],
        found["to"] or found["from"],
        found["record"],
    )


class LabServer:
    """One scenario on a free loopback port; an async context manager. Plays once."""

    def __init__(self, scenario: Scenario, seed: int = 0) -> None:
        provider = scenario.provider
        self._scenario = scenario
        self._heap: Heap = []
        times = provider.service.times(scenario.n, seed)
        self._model = Server(provider, times, seed, self._heap)
        self._half_rtt_s = provider.rtt_s / 2
        self._outages = [e for e in provider.events if isinstance(e, Outage)]
        self._start_s: float | None = None  # of the loop's clock
        self._start_cpu_s = 0.0
        self._t = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._answers = {OK: 0, TOO_MANY: 0, 503: 0}
        self._first_s: float | None = None
        self._last_ok_s = 0.0
        self._outage_sent = 0
        self._latest_s = 0.0
        self.port = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", 0, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.abort()
            await self._server.wait_closed()

    @property
    def records(self) -> int:
        """Records are numbered below this."""
        return self._scenario.n

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    # --- the model on the wall clock ------------------------------------------------------

    def start(self) -> None:
        """Second 0 of the scenario is now; only the first call counts."""
        if self._start_s is None:
            self._start_s = asyncio.get_running_loop().time()
            self._start_cpu_s = time.process_time()
            for at_s, what, value in self._scenario.provider.timeline():
                self._push(at_s, EVENT, (what, value))
            self._arm()

    def _now_s(self) -> float:
        assert self._start_s is not None  # noqa: S101 - callers have started it
        return asyncio.get_running_loop().time() - self._start_s

    def _push(self, at_s: float, kind: int, subject: Any) -> None:
        number = self._model.next_number
        self._model.next_number = number + 1
        heappush(self._heap, (at_s, number, kind, subject))

    def asked(self, connection: _Connection, record: int, body: bytes) -> None:
        """A request for *record* has come in; the answer follows on the connection.

        *body* is what it says if the record is served.
        """
        self.start()
        now_s = self._now_s()
        if self._first_s is None:
            self._first_s = now_s
        for outage in self._outages:
            self._outage_sent += outage.at_s <= now_s < outage.until_s
        flight = Flight(connection, record, 1, now_s, 0)
        flight.ticket = body
        self._push(now_s + self._half_rtt_s + self._model.delay_s, ARRIVE, flight)
        self._arm()

    def _arm(self) -> None:
        if not self._heap or self._start_s is None:
            return
        at = self._start_s + self._heap[0][0]
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._turn)

    def _turn(self) -> None:
        """All that is due, in order of its planned time."""
        self._timer = None
        heap, model = self._heap, self._model
        now_s = self._now_s()
        while heap and heap[0][0] <= now_s:
            at_s, _, kind, subject = heappop(heap)
            # A request that came while we were late was planned for after its own time.
            self._t = at_s = max(at_s, self._t)
            if now_s - at_s > self._latest_s:
                self._latest_s = now_s - at_s
            if kind == ARRIVE:
                model.arrive(at_s, subject)
            elif kind == FINISH:
                model.finish(at_s, subject)
            elif kind == REPLY:
                self._reply(now_s, subject)
            else:
                model.change(at_s, *subject)
        self._arm()

    def _reply(self, now_s: float, flight: Flight) -> None:
        status = flight.status
        if flight.done or status == NO_ANSWER:
            return
        flight.done = True
        self._answers[status] += 1
        if status == OK:
            self._last_ok_s = now_s
        fields = b""
        if flight.retry_after_s is not None and status == TOO_MANY:
            fields += b"Retry-After: %d\r\n" % flight.retry_after_s
        hint = flight.hint
        if hint is not None:
            fields += b"RateLimit-Limit: %d\r\nRateLimit-Remaining: %d\r\n" % (
                hint.limit,
                hint.remaining,
            )
            fields += b"RateLimit-Reset: %d\r\n" % hint.reset_s
        body = flight.ticket if status == OK else b'{"error": "not now"}'
        flight.worker.answer(status, body, fields)

    def report(self) -> dict[str, Any]:
        """What was counted since the start.

        Seconds count from the start: `first_s` the first request, `last_ok_s` the last 200.
        `overload`: share of that time with more than max(2, c/2) requests waiting.
        `outage_sent`: requests that came while the provider was out. `latest_s`: how late
        the event loop was at most. `cpu_s`: of this process since the start.
        """
        model = self._model
        first_s = self._first_s or 0.0
        span_s = max(1e-9, self._last_ok_s - first_s)
        return {
            "scenario": self._scenario.name,
            "requests": model.arrived,
            "ok": self._answers[OK],
            "throttled": self._answers[TOO_MANY],
            "unavailable": self._answers[503],
            "lost": model.lost,
            "makespan_s": span_s,
            "first_s": first_s,
            "last_ok_s": self._last_ok_s,
            "overload": model.over_s / span_s,
            "outage_sent": self._outage_sent if self._outages else None,
            "latest_s": self._latest_s,
            "cpu_s": time.process_time() - self._start_cpu_s,
        }

    # --- what a connection asks -----------------------------------------------------------

    def opened(self, connection: _Connection) -> None:
        """A client has connected."""
        self._connections.add(connection)

    def closed(self, connection: _Connection) -> None:
        """A connection has ended; the model serves its request to the end all the same."""
        self._connections.discard(connection)

    def control(self, method: bytes, target: bytes) -> tuple[int, bytes]:
        """Answer a request that is not for a record."""
        if (method, target) == (b"POST", b"/-/lab/start"):
            self.start()
            return 200, b"{}"
        if (method, target) == (b"GET", b"/-/lab/report"):
            return 200, json.dumps(self.report()).encode()
        return 404, b"{}"


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, one request at a time, no request bodies."""

    def __init__(self, server: LabServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: it is open."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's promise
        self._transport = transport
        self._server.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Asyncio: it is closed."""
        self._transport = None
        self._server.closed(self)

    def data_received(self, data: bytes) -> None:
        """Asyncio: bytes of a request."""
        head = self._head + data
        end = head.find(b"\r\n\r\n")
        if end < 0:
            self._head = head
            if len(head) > _MOST_HEAD:
                self.abort()
            return
        self._head = head[end + 4 :]
        method, _, rest = head[:end].partition(b" ")
        target = rest.partition(b" ")[0]
        found = _RECORD.fullmatch(unquote_to_bytes(target)) if method == b"GET" else None
        record = int(found["record"]) if found else self._server.records
        if found and record < self._server.records:
            self._server.asked(self, record, _body(found))
        else:
            self.answer(*self._server.control(method, target))

    def answer(self, status: int, body: bytes, fields: bytes = b"") -> None:
        """Write an answer, if the client is still there."""
        if self._transport is not None:
            self._transport.write(
                b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                b"%b\r\n%b" % (status, _REASONS[status], len(body), fields, body)
            )

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
