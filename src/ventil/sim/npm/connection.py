"""One client connection: HTTP/1.1 over asyncio, as little of it as the simulation needs.

Keep-alive and pipelining, no TLS, no request bodies but for control requests. One request
of a connection is answered at a time and in order. An answer that is whole and due at once
is written from `data_received` itself, without a task: it must cost much less than the
client's side, because benchmarks drive it.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
from typing import Protocol

from ventil.sim.npm import pages
from ventil.sim.npm.answer import (
    Answer,
    Cut,
    Never,
    Pour,
    Rst,
    Trickle,
    packed,
    packed_length,
    pour,
)

_MAX_HEAD = 256 * 1024  # npm's edge gives up at 8 kB; the scenario says so, not the parser
_MAX_WAITING = 256 * 1024


class Desk(Protocol):
    """What a connection asks of the server behind it."""

    def opened(self, connection: Connection) -> bool:
        """A client has connected. False: it is to be reset at once."""
        ...

    def closed(self, connection: Connection) -> None:
        """A connection has ended."""

    def greet(self, head: bytes) -> None:
        """The first request's head."""

    def arrive(self, method: str, target: str, gzips: bool) -> tuple[int, Answer]:
        """Decide the answer to an API request; its serial number for `settle`."""

    def settle(self, serial: int, answer: Answer, *, aborted: bool) -> None:
        """An answer has ended, well or not."""

    def control(self, method: str, target: str, body: bytes) -> Answer:
        """Answer a request under `/-/sim/`."""

    async def sleep(self, seconds: float) -> None:
        """Sleep on the server's clock."""


class Connection(asyncio.Protocol):
    """One client connection: bytes in, requests out, one answer at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._task: asyncio.Task[None] | None = None
        self._drained: asyncio.Event | None = None  # set but while the client does not read
        self._greeted = False

    def drop(self) -> asyncio.Task[None] | None:
        """Close at once; the task that was answering, if there is one, to wait for."""
        task = self._task
        if task is not None:
            task.cancel()
        if self._transport is not None:
            self._transport.abort()
        return task

    # The five callbacks of asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport
        if not self._desk.opened(self):
            self._reset()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; an answer under way ends with it."""
        self._transport = None
        self._desk.closed(self)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client does not read as fast as we write."""
        self._drained = asyncio.Event()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    def data_received(self, data: bytes) -> None:
        """Bytes came; requests among them are answered if none is being answered."""
        self._buffer = self._buffer + data if self._buffer else data
        if self._task is None:
            self._work()
        elif len(self._buffer) > _MAX_WAITING and self._transport is not None:
            self._transport.pause_reading()

    def _work(self) -> None:
        """Answer what has arrived, until an answer takes time or no request is whole."""
        while self._transport is not None and not self._transport.is_closing():
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > _MAX_HEAD:
                    self._give_up(Answer(400, pages.HTML, pages.LONG_URL))
                return
            head = self._buffer[:end]
            line, _, fields = head.partition(b"\r\n")
            words = line.split(b" ")
            if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
                self._give_up(Answer(400, pages.TEXT, b"not HTTP/1.1"))
                return
            fields = fields.lower()
            size = _body_size(fields)
            if size is None:
                self._give_up(Answer(411, pages.TEXT, b"no chunked requests here"))
                return
            if len(self._buffer) < end + 4 + size:
                return
            if not self._greeted:
                self._greeted = True
                self._desk.greet(head)
            body = self._buffer[end + 4 : end + 4 + size]
            self._buffer = self._buffer[end + 4 + size :]
            method, target = words[0].decode("latin-1"), words[1].decode("latin-1")
            keep = words[2] == b"HTTP/1.1" and b"connection: close" not in fields
            if target.startswith("/-/sim/"):
                self._write(self._desk.control(method, target, body).whole(keep))
                if not keep:
                    self._transport.close()
            else:
                self._take(method, target, keep, fields)
            if self._task is not None:
                return

    def _take(self, method: str, target: str, keep: bool, fields: bytes) -> None:
        transport = self._transport
        assert transport is not None  # noqa: S101 - narrows the type
        if method not in ("GET", "HEAD"):
            answer = Answer(405, pages.JSON, b'{"error":"method not allowed"}')
            transport.write(answer.whole(keep))
        else:
            serial, answer = self._desk.arrive(method, target, b"gzip" in fields)
            if answer.delivery is None and not answer.delay_s:
                transport.write(answer.whole(keep, method == "GET"))
                self._desk.settle(serial, answer, aborted=False)
            else:
                work = self._deliver(answer, keep, method == "GET")
                self._task = asyncio.get_running_loop().create_task(work)
                ended = functools.partial(self._delivered, serial, answer)
                self._task.add_done_callback(ended)
                return
        if not keep:
            transport.close()

    def _give_up(self, answer: Answer) -> None:
        assert self._transport is not None  # noqa: S101 - narrows the type
        self._transport.write(answer.whole(keep_alive=False))
        self._transport.close()

    def _delivered(self, serial: int, answer: Answer, task: asyncio.Task[None]) -> None:
        # Here and not in the task: a task cancelled before its first step runs no `finally`.
        self._task = None
        error = None if task.cancelled() else task.exception()
        self._desk.settle(serial, answer, aborted=task.cancelled() or error is not None)
        if self._transport is None:
            return
        if error is not None:
            self._transport.abort()
            if not isinstance(error, ConnectionError):
                raise error
            return
        self._transport.resume_reading()
        self._work()

    async def _deliver(self, answer: Answer, keep: bool, with_body: bool) -> None:
        if answer.delay_s:
            await self._desk.sleep(answer.delay_s)
        if await self._send(answer, keep, with_body) and self._transport is not None:
            self._transport.close()

    async def _send(self, answer: Answer, keep: bool, with_body: bool) -> bool:
        """Send *answer* in its own way; whether the connection is to be closed after it."""
        if not with_body and isinstance(answer.delivery, Trickle | Cut | Pour):
            answer.delivery = None
        match answer.delivery:
            case None:
                self._write(answer.whole(keep, with_body))
                return not keep
            case Never(seconds=seconds):
                if seconds is None:
                    await asyncio.get_running_loop().create_future()
                else:
                    await self._desk.sleep(seconds)
            case Rst():
                self._reset()
            case Cut(size=size):
                self._write(answer.head(False, len(answer.body)) + answer.body[:size])
            case Trickle(piece=piece, pause_s=pause_s):
                self._write(answer.head(keep, len(answer.body)))
                for start in range(0, len(answer.body), piece):
                    await self._desk.sleep(pause_s)
                    self._write(answer.body[start : start + piece])
                return not keep
            case Pour(total=total, packed=is_packed):
                await self._pour(answer, total, is_packed)
        return True

    async def _pour(self, answer: Answer, total: int | None, is_packed: bool) -> None:
        chunked = total is None
        length = packed_length(total) if is_packed and total is not None else total
        self._write(answer.head(False, length))
        blocks = packed(total) if is_packed and total is not None else pour(total)
        for block in blocks:
            self._write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            if self._drained is not None:
                await self._drained.wait()
            else:
                await asyncio.sleep(0)  # the client, too, may live in this event loop

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._transport.write(data)

    def _reset(self) -> None:
        if self._transport is None:
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            # Linger 0 makes close send RST instead of FIN.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _body_size(fields: bytes) -> int | None:
    """Bytes of the request body by lower-cased *fields*; None when it is chunked."""
    if b"transfer-encoding:" in fields:
        return None
    _, found, rest = fields.partition(b"content-length:")
    digits = rest.partition(b"\r\n")[0].strip()
    return int(digits) if found and digits.isdigit() else 0
