"""A loopback server that says whatever a script says: the worst provider there can be.

It knows no HTTP beyond where a request's head ends, so that it can break every rule of it.
It runs in threads of its own: a test may block its own thread with a whole command.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_HEAD_END = b"\r\n\r\n"
_TLS_HANDSHAKE = b"\x16"


class Exchange:
    """One request (`head`, its `number` from 1) and the means to answer it, or not."""

    def __init__(self, connection: socket.socket, head: bytes, number: int) -> None:
        self._connection = connection
        self.head = head
        self.number = number

    @property
    def target(self) -> str:
        """Path and query of the request."""
        return self.head.split(b" ", 2)[1].decode("latin-1")

    def send(self, data: bytes) -> bool:
        """Send *data* as it is; False when the client is gone."""
        try:
            self._connection.sendall(data)
        except OSError:
            return False
        return True

    def answer(
        self, body: bytes, *, status: str = "200 OK", fields: tuple[str, ...] = ()
    ) -> bool:
        """Send a whole and honest answer of JSON."""
        head = (
            f"HTTP/1.1 {status}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *fields,
        )
        return self.send("\r\n".join(head).encode("latin-1") + _HEAD_END + body)

    def wait_gone(self, most_s: float) -> bool:
        """Say nothing until the client leaves; False when it is still there after *most_s*."""
        self._connection.settimeout(most_s)
        with contextlib.suppress(OSError):
            if self._connection.recv(1) == b"":
                return True
        return False

    def pause(self, seconds: float) -> None:
        """Say nothing for a while."""
        time.sleep(seconds)

    def close(self) -> None:
        """Close the connection in order."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        linger = struct.pack("ii", 1, 0)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.close()


class RawServer:
    """Serves on a free loopback port; *script* answers every request. A context manager.

    `port` is the one it got, `heads` has what was asked so far, `connections` counts
    clients. With *tls* the port speaks TLS. Entering raises OSError when no port can be
    opened.
    """

    def __init__(
        self, script: Callable[[Exchange], object], *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._script = script
        self._tls = tls
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0

    def __enter__(self) -> Self:
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """Paths and queries asked for so far, in order of arrival."""
        return [head.split(b" ", 2)[1].decode("latin-1") for head in list(self.heads)]

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            with contextlib.suppress(OSError):
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._converse(connection)
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)

    def _converse(self, connection: socket.socket) -> None:
        kept = b""
        while not self._closed:
            while _HEAD_END not in kept:
                data = connection.recv(65536)
                if not data:
                    return
                kept += data
                if kept[:1] == _TLS_HANDSHAKE:  # as common servers answer it
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    return
            head, _, kept = kept.partition(_HEAD_END)
            with self._lock:
                self.heads.append(head)
                number = len(self.heads)
            self._script(Exchange(connection, head, number))
