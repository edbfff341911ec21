"""The changelog in a published archive: bytes in, a few files out; hostile ones refused.

An archive is what a stranger uploaded. Nothing is ever written to disk; the reader walks
the entries once, keeps the bytes of those whose *names* may be a changelog's, and throws
everything else away as it is unpacked. Bounded are the bytes unpacked (a bomb), the number
of entries, the length of names and headers, and what is kept. Refused are names that lead
outside, and entries that are no regular files: links, devices, sparse files.

Forms: tgz and tar.gz (npm's tarballs, sdists, crates), zip (some sdists), gem (a tar with a
`data.tar.gz` in it, guides.rubygems.org/specification-reference, read 2026-11). tar is read
as POSIX.1-2001 pax with the GNU long names (pubs.opengroup.org, pax, "ustar Interchange
Format"); zip as APPNOTE 6.3.10, stored and deflated only.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from struct import error as struct_error

import msgspec

from ventil.changelog.finder import names
from ventil.changelog.finder.links import clean_path
from ventil.changelog.finder.model import Unpack

MOST_FILES = 3
"""So many of the likeliest files are handed out."""

_NOTES = ("Cargo.toml", ".cargo_vcs_info.json")
"""Files of a crate that say where its repository is, and the crate in it."""

_BLOCK = 512
_PIECE = 64 * 1024
_LONGEST_HEADER = 64 * 1024  # of a pax or long-name header; a path has 400 characters at most
_MOST_HELD = 200  # candidates held while the archive is walked


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of an archive is read.

    `unpacked_bytes`: of everything. `entries`: of all kinds. `file_bytes`: of one file that
    is kept; a larger one is named and left out. `kept_bytes`: of all files held at once.
    """

    unpacked_bytes: int = 512 * 1024 * 1024
    entries: int = 200_000
    file_bytes: int = 16 * 1024 * 1024
    kept_bytes: int = 48 * 1024 * 1024


class File(msgspec.Struct, frozen=True):
    """A file of an archive; `path` is relative to the archive's top folder."""

    path: str
    text: bytes


class Contents(msgspec.Struct, frozen=True):
    """What was found in an archive.

    `files` are the likeliest changelogs, best first, at most `MOST_FILES`. `manifest` is
    the crate's Cargo.toml and `vcs` what cargo noted of the repository, where there are such
    files, b"" else. `entries` counts what was walked,
    `refused` the names and kinds that were refused. `too_large` are files left out for
    their size. `fault` says why the walk ended early, "" when it did not: what was found
    until then is here all the same.
    """

    files: tuple[File, ...] = ()
    manifest: bytes = b""
    vcs: bytes = b""
    entries: int = 0
    refused: int = 0
    too_large: tuple[str, ...] = ()
    fault: str = ""


class _Payload(msgspec.Struct, frozen=True):
    form: str
    folder: str
    name: str
    data: bytes


class _Broken(Exception):
    """The archive cannot be read on; the message says why."""


def payload(unpack: Unpack, name: str, data: bytes) -> bytes:
    """What `archive.read` is to be given; *name* counts where *unpack* names no package."""
    asked = _Payload(unpack.form, unpack.folder, unpack.name or name, data)
    return msgspec.msgpack.encode(asked)


def read_task(payload: bytes) -> bytes:
    """The task `archive.read`: from `payload` to what `contents` reads."""
    asked = msgspec.msgpack.decode(payload, type=_Payload)
    found = read_archive(asked.data, Unpack(asked.form, asked.folder), name=asked.name)
    return msgspec.msgpack.encode(found)


def contents(body: bytes) -> Contents:
    """What `read_task` gave. Raises ValueError when *body* is something else."""
    return msgspec.msgpack.decode(body, type=Contents)


def read_archive(
    data: bytes, unpack: Unpack, *, name: str = "", bounds: Bounds | None = None
) -> Contents:
    """Look through the archive *data* for the changelog of the package *name*.

    Never raises for what the archive holds: see `Contents.fault`.
    """
    keeper = _Keeper(bounds or Bounds(), unpack.folder, name or unpack.name)
    try:
        if unpack.form == "zip":
            _walk_zip(data, keeper)
        elif unpack.form == "gem":
            _walk_gem(data, keeper)
        else:
            _walk_tar(_Unzipped(data, keeper), keeper, strip=1)
    except _Broken as error:
        keeper.fault = str(error)
    return keeper.contents()


class _Keeper:
    """Counts what is walked and holds what may be wanted."""

    def __init__(self, bounds: Bounds, folder: str, name: str) -> None:
        self.bounds = bounds
        self._folder, self._name = folder, name
        self.fault = ""
        self.entries = self.refused = self.kept = self.unpacked = 0
        self.files: dict[str, bytes] = {}
        self.too_large: list[str] = []
        self.notes = dict.fromkeys(_NOTES, b"")

    def entry(self) -> None:
        self.entries += 1
        if self.entries > self.bounds.entries:
            raise _Broken(f"more than {self.bounds.entries} entries")

    def unpacks(self, size: int) -> None:
        self.unpacked += size
        if self.unpacked > self.bounds.unpacked_bytes:
            mebibytes = self.bounds.unpacked_bytes // 2**20
            raise _Broken(f"unpacks to more than {mebibytes} MiB")

    def wanted(self, raw: str, *, strip: int, regular: bool) -> str | None:
        """The path under which an entry is to be kept; None when it is not wanted."""
        path = clean_path(raw.removesuffix("/") if not regular else raw)
        if path is None or (not regular and not raw.endswith("/")):
            self.refused += 1
            return None
        if not regular:
            return None
        if strip:
            path = path.partition("/")[2]
        if path in _NOTES:
            return path
        if len(self.files) >= _MOST_HELD or not names.may_be_changelog(path):
            return None
        return path if names.choose((path,), folder=self._folder, name=self._name) else None

    def fits(self, path: str, size: int) -> bool:
        if size > self.bounds.file_bytes or self.kept + size > self.bounds.kept_bytes:
            if len(self.too_large) < _MOST_HELD:
                self.too_large.append(path)
            return False
        return True

    def keep(self, path: str, data: bytes) -> None:
        if path in _NOTES:
            self.notes[path] = data[:_LONGEST_HEADER]
            return
        self.kept += len(data) - len(self.files.get(path, b""))
        self.files[path] = data  # the later of two entries of one name is the one that counts

    def contents(self) -> Contents:
        best = names.choose(self.files, folder=self._folder, name=self._name)[:MOST_FILES]
        left_out = names.choose(self.too_large, folder=self._folder, name=self._name)
        return Contents(
            files=tuple(File(path, self.files[path]) for path in best),
            manifest=self.notes["Cargo.toml"],
            vcs=self.notes[".cargo_vcs_info.json"],
            entries=self.entries,
            refused=self.refused,
            too_large=tuple(left_out[:MOST_FILES]),
            fault=self.fault,
        )


class _Unzipped:
    """A gzip stream (RFC 1952) read piece by piece; members one after another are one."""

    def __init__(self, data: bytes, keeper: _Keeper) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._keeper = keeper
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
                raise _Broken("the gzip stream is cut off")
            self._rest = bytes(self._data[self._at : self._at + _PIECE])
            self._at += len(self._rest)
        try:
            out = self._decoder.decompress(self._rest, size)
        except zlib.error:
            raise _Broken("not a valid gzip stream") from None
        self._rest = self._decoder.unconsumed_tail
        if self._decoder.eof:
            self._rest = b""
        self._keeper.unpacks(len(out))
        self._ready += out


class _Plain:
    """Bytes read as `_Unzipped` is: the outer tar of a gem is not compressed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int) -> bytes:
        out = self._data[self._at : self._at + size]
        self._at += len(out)
        return out

    def skip(self, size: int) -> None:
        self._at += size


@dataclass(slots=True)
class _Entry:
    name: str
    size: int
    kind: bytes  # the typeflag


def _walk_tar(stream: _Unzipped | _Plain, keeper: _Keeper, *, strip: int) -> None:
    for entry in _entries(stream, keeper):
        regular = entry.kind in (b"0", b"\0", b"7")
        name = entry.name
        if entry.kind == b"5" and not name.endswith("/"):
            name += "/"
        path = keeper.wanted(name, strip=strip, regular=regular)
        if path is not None and keeper.fits(path, entry.size):
            data = stream.read(entry.size)
            if len(data) < entry.size:
                raise _Broken("the archive is cut off")
            keeper.keep(path, data)
            stream.skip(-entry.size % _BLOCK)
        elif regular or entry.kind not in (b"1", b"2", b"3", b"4", b"5", b"6"):
            stream.skip(entry.size + -entry.size % _BLOCK)


def _walk_gem(data: bytes, keeper: _Keeper) -> None:
    stream = _Plain(data)
    for entry in _entries(stream, keeper):
        if entry.name == "data.tar.gz":
            inner = stream.read(min(entry.size, len(data)))
            _walk_tar(_Unzipped(inner, keeper), keeper, strip=0)
            return
        stream.skip(entry.size + -entry.size % _BLOCK)
    raise _Broken("there is no data.tar.gz in the gem")


def _entries(stream: _Unzipped | _Plain, keeper: _Keeper) -> Iterator[_Entry]:
    """The entries of a tar; the stream stands at an entry's data when it is yielded.

    Headers that only describe the next entry are read here and not yielded.
    """
    long_name: str | None = None
    pax: dict[str, str] = {}
    while True:
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK or not block.strip(b"\0"):
            return  # two blocks of zeros end a tar; one is enough for us
        keeper.entry()
        if not _sum_is_right(block):
            raise _Broken("not a tar, or a damaged one")
        size, kind = _number(block[124:136]), block[156:157]
        if size is None:
            raise _Broken("an entry without a size")
        if kind in (b"L", b"x", b"K", b"g", b"X"):
            if size > _LONGEST_HEADER:
                raise _Broken(f"a header of {size} bytes")
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
                raise _Broken("an entry without a size")
            size = int(pax["size"])
        if any(key.startswith("GNU.sparse") for key in pax) or kind == b"S":
            kind = b"?"  # a sparse file holds a map before its data
        long_name, pax = None, {}
        yield _Entry(name, size, kind)


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


def _walk_zip(data: bytes, keeper: _Keeper) -> None:
    # The end record says how many entries there are; the library reads all of them at once.
    end = data.rfind(b"PK\x05\x06")
    if end < 0 or len(data) < end + 22:
        raise _Broken("not a zip, or cut off")
    directory = int.from_bytes(data[end + 12 : end + 16], "little")
    # An entry of the directory has 46 bytes and its name, whatever the record counts.
    if data.count(b"PK\x01\x02", max(0, end - directory), end) > keeper.bounds.entries:
        raise _Broken(f"more than {keeper.bounds.entries} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                keeper.entry()
                regular = not info.is_dir() and (info.external_attr >> 28) in (0, 8)
                path = keeper.wanted(info.filename, strip=1, regular=regular)
                if path is None:
                    continue
                if info.flag_bits & 0x1 or info.compress_type not in (0, 8):
                    keeper.refused += 1
                    continue
                if not keeper.fits(path, info.file_size):
                    continue
                with archive.open(info) as file:
                    text = file.read(keeper.bounds.file_bytes + 1)
                keeper.unpacks(len(text))
                if keeper.fits(path, len(text)):
                    keeper.keep(path, text)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as e:
        raise _Broken(f"not a valid zip ({type(e).__name__})") from None
    except (NotImplementedError, struct_error, KeyError, OverflowError) as e:
        raise _Broken(f"not a valid zip ({type(e).__name__})") from None
