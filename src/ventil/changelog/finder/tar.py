"""tar, read entry by entry from a stream that is unpacked as it is read.

POSIX.1-2001 pax with the GNU long names (pubs.opengroup.org, pax, "ustar Interchange
Format"). The standard library's reader follows links, keeps every entry and recurses over
headers that describe headers; this one does none of it, and its memory is bounded.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BLOCK = 512
_PIECE = 64 * 1024
LONGEST_HEADER = 64 * 1024
"""Bytes of a pax or long-name header; a path has 400 characters at most."""


class Broken(Exception):
    """The archive cannot be read on; the message says why."""


class Unzipped:
    """A gzip stream (RFC 1952) read piece by piece; members one after another are one.

    *unpacks* is told of every piece's length, and raises `Broken` when it is enough.
    """

    def __init__(self, data: bytes, unpacks: Callable[[int], None]) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._unpacks = unpacks
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._rest = b""
        self._ready = bytearray()
        self._ended = False

    def read(self, size: int) -> bytes:
        """*size* bytes, fewer at the end."""
        while len(self._ready) < size and not self._ended:
            self._more(max(size - len(self._ready), _PIECE))
        out = bytes(self._ready[:size])
        del self._ready[:size]
        return out

    def skip(self, size: int) -> None:
        """Pass over *size* bytes without holding them."""
        while size > 0:
            passed = min(size, len(self._ready))
            del self._ready[:passed]
            size -= passed
            if size > 0:
                if self._ended:
                    return
                self._more(_PIECE)

    def _more(self, size: int) -> None:
        size = min(size, 1024 * 1024)
        if self._decoder.eof:
            rest = self._decoder.unused_data
            if not rest.strip(b"\0") and self._at >= len(self._data):
                self._ended = True
                return
            if rest and not rest.startswith(b"\x1f\x8b"):
                self._ended = True  # padding, or rubbish after the end
                return
            self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
            self._rest = rest
        if not self._rest:
            if self._at >= len(self._data):
                self._ended = True
                raise Broken("the gzip stream is cut off")
            self._rest = bytes(self._data[self._at : self._at + _PIECE])
            self._at += len(self._rest)
        try:
            out = self._decoder.decompress(self._rest, size)
        except zlib.error:
            raise Broken("not a valid gzip stream") from None
        self._rest = self._decoder.unconsumed_tail
        if self._decoder.eof:
            self._rest = b""
        self._unpacks(len(out))
        self._ready += out


class Plain:
    """Bytes read as `Unzipped` is: the outer tar of a gem is not compressed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int) -> bytes:
        """*size* bytes, fewer at the end."""
        out = self._data[self._at : self._at + size]
        self._at += len(out)
        return out

    def skip(self, size: int) -> None:
        """Pass over *size* bytes."""
        self._at += size


@dataclass(slots=True)
class Entry:
    """One entry: its name as written, the bytes of its data, and its typeflag."""

    name: str
    size: int
    kind: bytes  # the typeflag


def entries(stream: Unzipped | Plain, count: Callable[[], None]) -> Iterator[Entry]:
    """The entries of a tar; the stream stands at an entry's data when it is yielded.

    *count* is called for each header, and raises `Broken` when it is enough. Headers that
    only describe the next entry are read here and not yielded. Raises `Broken`, too, for
    what is no tar.
    """
    long_name: str | None = None
    pax: dict[str, str] = {}
    while True:
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK or not block.strip(b"\0"):
            return  # two blocks of zeros end a tar; one is enough for us
        count()
        if not _sum_is_right(block):
            raise Broken("not a tar, or a damaged one")
        size, kind = _number(block[124:136]), block[156:157]
        if size is None:
            raise Broken("an entry without a size")
        if kind in (b"L", b"x", b"K", b"g", b"X"):
            if size > LONGEST_HEADER:
                raise Broken(f"a header of {size} bytes")
            data = stream.read(size)
            stream.skip(-size % _BLOCK)
            if kind == b"L":
                long_name = data.rstrip(b"\0").decode("utf-8", "replace")
            elif kind in (b"x", b"X"):
                pax = _pax(data)
            continue
        name = _text(block[:100])
        prefix = _text(block[345:500])
        if prefix and block[257:263] == b"ustar\0":  # GNU has other things there
            name = f"{prefix}/{name}"
        name = pax.get("path") or long_name or name
        if "size" in pax:
            if not pax["size"].isdecimal() or len(pax["size"]) > 18:
                raise Broken("an entry without a size")
            size = int(pax["size"])
        if any(key.startswith("GNU.sparse") for key in pax) or kind == b"S":
            kind = b"?"  # a sparse file holds a map before its data
        long_name, pax = None, {}
        yield Entry(name, size, kind)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _number(field: bytes) -> int | None:
    """A size: octal text, or base 256 when the first bit is set (GNU, star)."""
    if field[:1] in (b"\x80",):
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b"\0 ")
    if not digits:
        return 0
    if not all(48 <= digit <= 55 for digit in digits):
        return None
    return int(digits, 8)


def _sum_is_right(block: bytes) -> bool:
    stated = _number(block[148:156])
    return stated == sum(block) - sum(block[148:156]) + 8 * 32


def _pax(data: bytes) -> dict[str, str]:
    """The records `LENGTH KEY=VALUE\\n` of a pax header; what cannot be read is left out."""
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 12)
        digits = data[at:space] if space > 0 else b""
        if not digits.isdigit() or int(digits) < 5:
            break
        record = data[space + 1 : at + int(digits) - 1]
        key, equals, value = record.partition(b"=")
        if equals and len(found) < 100:
            found[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        at += int(digits)
    return found
