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
from dataclasses import dataclass
from struct import error as struct_error

import msgspec

from ventil.changelog.finder import names
from ventil.changelog.finder.links import clean_path
from ventil.changelog.finder.model import Unpack
from ventil.changelog.finder.tar import LONGEST_HEADER, Broken, Plain, Unzipped, entries

MOST_FILES = 3
"""So many of the likeliest files are handed out."""

_NOTES = ("Cargo.toml", ".cargo_vcs_info.json")
"""Files of a crate that say where its repository is, and the crate in it."""

_BLOCK = 512  # what the data of a tar's entry is filled up to
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
            _walk_tar(Unzipped(data, keeper.unpacks), keeper, strip=1)
    except Broken as error:
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
            raise Broken(f"more than {self.bounds.entries} entries")

    def unpacks(self, size: int) -> None:
        self.unpacked += size
        if self.unpacked > self.bounds.unpacked_bytes:
            mebibytes = self.bounds.unpacked_bytes // 2**20
            raise Broken(f"unpacks to more than {mebibytes} MiB")

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
            self.notes[path] = data[:LONGEST_HEADER]
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


def _walk_tar(stream: Unzipped | Plain, keeper: _Keeper, *, strip: int) -> None:
    for entry in entries(stream, keeper.entry):
        regular = entry.kind in (b"0", b"\0", b"7")
        name = entry.name
        if entry.kind == b"5" and not name.endswith("/"):
            name += "/"
        path = keeper.wanted(name, strip=strip, regular=regular)
        if path is not None and keeper.fits(path, entry.size):
            data = stream.read(entry.size)
            if len(data) < entry.size:
                raise Broken("the archive is cut off")
            keeper.keep(path, data)
            stream.skip(-entry.size % _BLOCK)
        elif regular or entry.kind not in (b"1", b"2", b"3", b"4", b"5", b"6"):
            stream.skip(entry.size + -entry.size % _BLOCK)


def _walk_gem(data: bytes, keeper: _Keeper) -> None:
    stream = Plain(data)
    for entry in entries(stream, keeper.entry):
        if entry.name == "data.tar.gz":
            inner = stream.read(min(entry.size, len(data)))
            _walk_tar(Unzipped(inner, keeper.unpacks), keeper, strip=0)
            return
        stream.skip(entry.size + -entry.size % _BLOCK)
    raise Broken("there is no data.tar.gz in the gem")


def _walk_zip(data: bytes, keeper: _Keeper) -> None:
    # The end record says how many entries there are; the library reads all of them at once.
    end = data.rfind(b"PK\x05\x06")
    if end < 0 or len(data) < end + 22:
        raise Broken("not a zip, or cut off")
    directory = int.from_bytes(data[end + 12 : end + 16], "little")
    # An entry of the directory has 46 bytes and its name, whatever the record counts.
    if data.count(b"PK\x01\x02", max(0, end - directory), end) > keeper.bounds.entries:
        raise Broken(f"more than {keeper.bounds.entries} entries")
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
        raise Broken(f"not a valid zip ({type(e).__name__})") from None
    except (NotImplementedError, struct_error, KeyError, OverflowError) as e:
        raise Broken(f"not a valid zip ({type(e).__name__})") from None
