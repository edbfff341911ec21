"""Catalogues of packages of several ecosystems: text in, package URLs out.

The forms are those of `ventil.sources.catalogue`. A plain name is of the ecosystem that the
caller says; a package URL names its own (`pkg:pypi/requests`). A version may stand with
either: in a Construct Hub's catalogue beside the name, in a package URL after the `@`. It
stays in the key, so that another version is another record; of several versions of one
package the highest counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from ventil.errors import SourceError
from ventil.sources.catalogue import (
    MAX_PROBLEMS,
    Catalogue,
    Problem,
    kind_of,
    listing_of,
    package_url,
    shown,
)

Faults = Mapping[str, Callable[[str], str | None]]
"""For each ecosystem, why a name cannot be a package's there; None when it can."""

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_~!-]{0,99}", re.ASCII)
_NUMBERS = re.compile(r"\d{1,18}")


class Named(msgspec.Struct, frozen=True):
    """A package of a catalogue. `version` is None when none is named."""

    ecosystem: str
    name: str
    version: str | None


def read_packages(
    data: bytes,
    *,
    name: str,
    faults: Faults,
    key_of: Callable[[Named], str],
    ecosystem: str = "npm",
) -> Catalogue:
    """Read the catalogue *data*, called *name* in messages; its records are keys.

    *faults* has the ecosystems that are taken. Raises `SourceError` as `read_catalogue`.
    """
    found: dict[tuple[str, str], Named] = {}
    problems: list[Problem] = []
    duplicates = problem_count = 0
    listing = listing_of(data, name)
    for position, value in listing.entries:
        package, reason = _package(value, listing.version(position), ecosystem, faults)
        if reason is not None:
            problem_count += 1
            if len(problems) < MAX_PROBLEMS:
                problems.append(Problem(listing.place(position), shown(value), reason))
            continue
        at = (package.ecosystem, package.name)
        if at in found:
            duplicates += 1
            if _order(package.version) <= _order(found[at].version):
                continue
        found[at] = package
    if not found:
        first = f"; first: {problems[0]}" if problems else ""
        raise SourceError(f"{name}: holds no usable package{first}")
    return Catalogue(
        [key_of(package) for package in found.values()],
        tuple(problems),
        duplicates,
        problem_count,
    )


def _package(
    value: Any, version: Any, ecosystem: str, faults: Faults
) -> tuple[Named, str | None]:
    """The package that an entry names, and why it names none (None when it does)."""
    if not isinstance(value, str):
        return Named("", "", None), f"is {kind_of(value)}, not a name"
    text = value.strip()
    if text[:4].lower() == "pkg:":
        ecosystem = text[4:].lstrip("/").partition("/")[0].lower()
        if ecosystem not in faults:
            known = ", ".join(f"pkg:{one}/" for one in faults)
            return Named("", "", None), f"is of type {ecosystem[:40]!r}; known are {known}"
        name, reason = package_url(text, ecosystem)
        if reason is not None:
            return Named("", "", None), reason
        _, at, written = re.split("[?#]", text, maxsplit=1)[0].rpartition("@")
        if at and "/" not in written:
            version = unquote(written)
    else:
        name = text
    if not (isinstance(version, str) and _VERSION.fullmatch(version)):
        version = None
    return Named(ecosystem, name, version), faults[ecosystem](name)


def _order(version: str | None) -> tuple[bool, list[int], bool]:
    """Higher for a higher version; a pre-release is lower than its release."""
    if version is None:
        return (False, [], False)
    numbers, dash, _ = version.partition("+")[0].partition("-")
    return (True, [int(part) for part in _NUMBERS.findall(numbers)], not dash)
