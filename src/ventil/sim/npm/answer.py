"""An answer and how it is to be delivered; bytes on the wire for the whole ones."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Never:
    """No answer; the connection closes after `seconds`, None: when the client leaves."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Rst:
    """No answer: the connection is reset."""


@dataclass(frozen=True, slots=True)
class Trickle:
    """Head at once, then `piece` bytes of the body every `pause_s` seconds."""

    piece: int
    pause_s: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Head announces all, `size` bytes of the body follow, then the connection closes."""

    size: int


@dataclass(frozen=True, slots=True)
class Pour:
    """A body made while it is sent: `total` decoded bytes, None for no end.

    `packed` sends a gzip stream that decodes to so many.
    """

    total: int | None
    packed: bool = False


Delivery = Never | Rst | Trickle | Cut | Pour


@dataclass(slots=True)
class Answer:
    """One answer. `delivery` None: whole and at once, after `delay_s` seconds.

    `behaviours` names what acted ("" when nothing did); `names` are the ones it answers.
    """

    status: int
    content_type: str = ""
    body: bytes = b""
    fields: tuple[tuple[str, str], ...] = ()
    delivery: Delivery | None = None
    delay_s: float = 0.0
    behaviour: str = ""
    names: tuple[str, ...] = ()

    def head(self, keep_alive: bool, length: int | None) -> bytes:
        """Status line and header fields; a *length* of None means a chunked body."""
        lines = [
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}",
            f"Content-Type: {self.content_type}",
            "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}",
        ]
        for name, value in self.fields:
            lines.append(f"{name}: {value}")
        if not keep_alive:
            lines.append("Connection: close")
        lines.append("\r\n")
        return "\r\n".join(lines).encode("latin-1", "replace")

    def whole(self, keep_alive: bool, with_body: bool = True) -> bytes:
        """The complete answer; *with_body* False is what HEAD gets."""
        head = self.head(keep_alive, len(self.body))
        return head + self.body if with_body else head


def pour(total: int | None) -> Iterator[bytes]:
    """Blocks of an object that never says anything: `{"downloads":` and blanks."""
    start = b'{"downloads":'
    yield start
    left = None if total is None else total - len(start)
    blanks = b" " * _BLOCK
    while left is None or left > 0:
        yield blanks if left is None else blanks[:left]
        if left is not None:
            left -= _BLOCK


def packed(total: int) -> Iterator[bytes]:
    """A gzip stream (RFC 1952) that decodes to *total* blanks, rounded up to a MiB.

    One compressed MiB is repeated: after a full flush a deflate block needs nothing from
    before it, so the bomb costs nothing to build. The checksum at the end is wrong, which
    nobody who reads so far should mind.
    """
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    mebibyte = squeeze.compress(b" " * 2**20) + squeeze.flush(zlib.Z_FULL_FLUSH)
    yield b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
    for _ in range(-(-total // 2**20)):
        yield mebibyte
    yield b"\x03\x00" + bytes(8)


def packed_length(total: int) -> int:
    """How many bytes `packed` yields for *total*."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    mebibyte = squeeze.compress(b" " * 2**20) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return 10 + -(-total // 2**20) * len(mebibyte) + 10
