"""Catalogues: text in, names and problems out.

Four forms are read, told apart by their content:

- a Construct Hub's `catalog.json`: `{"packages": [{"name": ...}, ...]}`. A package stands
  there once for each major version and counts once here;
- its `stats.json`: `{"packages": {NAME: ...}}`;
- a JSON array of names, or of objects with a `name`;
- text, a name a line; blank lines and what follows a `#` are left out.

Wherever a name may stand, a package URL may stand too (`pkg:npm/%40scope/name@1.2`,
github.com/package-url/purl-spec); its version is left out.

Nothing here knows a provider: which names are valid is the caller's to say.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from ventil.errors import SourceError

MAX_PROBLEMS = 10_000
"""So many problems are kept with their places; the rest are counted."""

_PIECE = 1024 * 1024

NameFault = Callable[[str], str | None]
"""Says why a name cannot be a record's key, for a person; None when it can."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry that was left out.

    `place` is where it stands (`catalog.json: packages[12].name`, `names.txt:12`),
    `value` what stands there, shortened and printable, `reason` why it is not a name.
    """

    place: str
    value: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.value} {self.reason}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The names of a catalogue, in the order first seen, each once.

    `duplicates` counts the entries that named a record again. `problems` holds the entries
    left out, at most `MAX_PROBLEMS`; `problem_count` is how many there were.
    """

    records: list[str]
    problems: tuple[Problem, ...] = ()
    duplicates: int = 0
    problem_count: int = 0


def read_catalogue(
    data: bytes, *, name: str, name_fault: NameFault, ecosystem: str = "npm"
) -> Catalogue:
    """Read the catalogue *data*, called *name* in messages.

    *ecosystem* is the package URL type that is taken; others become problems. Raises
    `SourceError` when the whole cannot be read: not UTF-8, empty, malformed or truncated
    JSON (with line and column), JSON of another shape, or no usable name at all.
    """
    catalogue = _collect(listing_of(data, name, names_only=True), name_fault, ecosystem)
    if not catalogue.records:
        if not catalogue.problems:
            raise SourceError(f"{name}: lists no packages")
        raise SourceError(
            f"{name}: holds no usable name ({_count(catalogue.problem_count)} left out);"
            f" first: {catalogue.problems[0]}"
        )
    return catalogue


@dataclass(frozen=True, slots=True)
class Listing:
    """What should be names, each with its position, and how to write a position as a place.

    Places are made on demand: a million names have a million places and few problems.
    `version` is what stands as one beside the name at a position, whatever that is.
    """

    entries: Iterable[tuple[Any, Any]]
    place: Callable[[Any], str]
    version: Callable[[Any], Any] = lambda position: None


def listing_of(data: bytes, name: str, *, names_only: bool = False) -> Listing:
    """The entries of the catalogue *data*, called *name* in messages; raises SourceError.

    *names_only*: versions are not wanted, which is faster.
    """
    _check_utf8(data, name)
    data = data.removeprefix(codecs.BOM_UTF8)
    first = re.search(rb"\S", data)
    if first is None:
        raise SourceError(
            f"{name}: is empty",
            hint="give a catalog.json, a JSON array of names or a name a line",
        )
    if first.group() in b"{[" or name.lower().endswith(".json"):
        hub = _from_hub(data, name) if names_only else None
        return hub or _from_json(_load(data.decode(), name), name)
    return _from_lines(data.decode(), name)


def _collect(listing: Listing, name_fault: NameFault, ecosystem: str) -> Catalogue:
    seen: dict[str, None] = {}
    problems: list[Problem] = []
    duplicates = problem_count = 0
    for position, value in listing.entries:
        reason: str | None
        key = ""
        if isinstance(value, str):
            key = value.strip()
            if key in seen:
                duplicates += 1
                continue
            if key[:4].lower() == "pkg:":
                key, reason = package_url(key, ecosystem)
                reason = reason or name_fault(key)
            else:
                reason = name_fault(key)
        else:
            reason = f"is {kind_of(value)}, not a name"
        if reason is not None:
            problem_count += 1
            if len(problems) < MAX_PROBLEMS:
                problems.append(Problem(listing.place(position), shown(value), reason))
        elif key in seen:
            duplicates += 1
        else:
            seen[key] = None
    return Catalogue(list(seen), tuple(problems), duplicates, problem_count)


def _check_utf8(data: bytes, name: str) -> None:
    try:
        # In pieces: as text a large catalogue takes up to four times its bytes.
        decoder = codecs.getincrementaldecoder("utf-8")()
        for start in range(0, len(data), _PIECE):
            decoder.decode(data[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        offset = _first_bad_byte(data)
    else:
        return
    line = data.count(b"\n", 0, offset) + 1
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    raise SourceError(
        f"{name}: is not UTF-8 text (byte 0x{data[offset]:02x} in line {line},"
        f" offset {offset})",
        hint="it looks like UTF-16: save it as UTF-8" if utf16 else None,
    )


def _first_bad_byte(data: bytes) -> int:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


class _Named(msgspec.Struct, gc=False):
    name: str


class _Hub(msgspec.Struct):
    packages: list[_Named]


def _from_hub(data: bytes, name: str) -> Listing | None:
    """A Construct Hub's catalogue whose every package has a name; None for all else.

    Only the names are taken out: the rest of an entry is a hundred times as much. What is
    wrong with another file, and where, the slow way finds out.
    """
    try:
        packages = msgspec.json.decode(data, type=_Hub).packages
    except (msgspec.DecodeError, RecursionError):
        return None
    return Listing(
        ((index, entry.name) for index, entry in enumerate(packages)),
        lambda index: f"{name}: packages[{index}].name",
    )


def _load(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        ends = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        cut = " (it seems to be cut off)" if ends else ""
        raise SourceError(
            f"{name}: malformed JSON in line {error.lineno}, column {error.colno}:"
            f" {error.msg}{cut}"
        ) from None
    except RecursionError:
        raise SourceError(f"{name}: JSON nested too deeply to be a catalogue") from None
    except ValueError as error:  # a number of thousands of digits
        raise SourceError(f"{name}: malformed JSON: {error}") from None


def _from_json(loaded: Any, name: str) -> Listing:
    if isinstance(loaded, list):
        return _from_array(loaded, f"{name}: ")
    packages = loaded.get("packages") if isinstance(loaded, dict) else None
    if isinstance(packages, list):
        return _from_array(packages, f"{name}: packages")
    if isinstance(packages, dict):
        return Listing(
            ((key, key) for key in packages), lambda key: f"{name}: packages[{shown(key)}]"
        )
    if not isinstance(loaded, dict):
        found = kind_of(loaded)
    elif "packages" in loaded:
        found = f'{kind_of(packages)} as "packages"'
    else:
        found = "an object with " + (", ".join(map(shown, list(loaded)[:5])) or "no keys")
    raise SourceError(
        f"{name}: is JSON of another shape: found {found}",
        hint='expected {"packages": [{"name": ...}]} as a Construct Hub publishes it,'
        " or an array of names",
    )


def _from_array(items: list[Any], prefix: str) -> Listing:
    def place(index: int) -> str:
        return f"{prefix}[{index}]" + (".name" if _is_named(items[index]) else "")

    def version(index: int) -> Any:
        return items[index].get("version") if _is_named(items[index]) else None

    return Listing(
        ((i, item["name"] if _is_named(item) else item) for i, item in enumerate(items)),
        place,
        version,
    )


def _is_named(item: Any) -> bool:
    return isinstance(item, dict) and "name" in item


_COMMENT = re.compile(r"(?:^|\s)#.*")


def _from_lines(text: str, name: str) -> Listing:
    # Not splitlines(): it also splits at form feeds and U+2028, which editors do not count.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    bare = (_COMMENT.sub("", line) if "#" in line else line for line in lines)
    return Listing(
        ((number, line) for number, line in enumerate(bare, 1) if line.strip()),
        lambda number: f"{name}:{number}",
    )


# The usual URL of an npm package, which needs no decoding: 0.6 us where the library takes 12.
_USUAL_URL = re.compile(
    r"pkg:npm/(?:(?:%40|@)([a-z0-9_-]+)/)?([a-z0-9_-][a-z0-9._-]*)(?:@[a-z0-9.+-]+)?", re.ASCII
)


def package_url(text: str, ecosystem: str) -> tuple[str, str | None]:
    """The name in a package URL, and why there is none (None when there is one)."""
    if ecosystem == "npm" and (usual := _USUAL_URL.fullmatch(text)):
        scope, bare = usual.groups()
        return f"@{scope}/{bare}" if scope else bare, None
    from packageurl import PackageURL  # imported only where one is met: it costs 20 ms

    try:
        url = PackageURL.from_string("pkg:" + text[4:])  # the scheme in any case
    except ValueError:
        return "", "is not a package URL (pkg:type/namespace/name)"
    if url.type != ecosystem:
        return "", f"is of type {url.type!r}; only pkg:{ecosystem}/ is fetched here"
    if ecosystem == "npm" and not url.namespace and _path(text) != _path(text).lower():
        # The standard lower-cases npm names, and npm tells Base64 and base64 apart: the
        # number of another package would be published.
        return "", "has capitals, which a package URL loses: list the name itself"
    return f"{url.namespace}/{url.name}" if url.namespace else url.name, None


def _path(url: str) -> str:
    """The name part of a package URL: no scheme and type, version, qualifiers, subpath."""
    path = url.split("#", 1)[0].split("?", 1)[0].strip("/").rpartition("/")[2]
    return path.partition("@")[0]


def shown(value: Any, limit: int = 60) -> str:
    """*value* for a message: quoted, printable, on one line, at most *limit* characters."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    except (RecursionError, ValueError):
        text = kind_of(value)
    short = text if len(text) <= limit else text[:limit] + "…"
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)
    return f'"{printable}"' if isinstance(value, str) else printable


def kind_of(value: Any) -> str:
    """What *value* is, for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, dict):
        return 'an object without "name"'
    return "an array"


def _count(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"
