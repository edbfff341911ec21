"""The order of versions as each ecosystem counts them.

npm and cargo: Semantic Versioning 2.0, section 11. PyPI: PEP 440. RubyGems: `Gem::Version`
(a part with letters makes a pre-release, and comes before any number). A version that does
not follow its ecosystem's rules is put before those that do, by its numbers. Trailing zeros
make no difference anywhere, and neither does a leading "v".
"""

from __future__ import annotations

import re
from typing import Any

from packaging.version import InvalidVersion, Version

from ventil.changelog.versions import order

_SEMVER = re.compile(
    r"(\d{1,18})(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?(?:-([0-9A-Za-z.-]{1,200}))?(?:\+.{0,200})?"
)
_GEM = re.compile(r"[0-9]+|[a-z]+")
_LONGEST = 300

VersionKey = tuple[Any, ...]


def version_key(ecosystem: str, version: str) -> VersionKey:
    """A key that sorts the versions of one ecosystem (a package URL's type).

    Equal keys mean the same version. Never raises.
    """
    text = version.strip()[:_LONGEST].removeprefix("v").removeprefix("V")
    try:
        key = {"pypi": _pep440, "gem": _gem}.get(ecosystem, _semver)(text)
    except (InvalidVersion, ValueError):
        key = None
    return (0, order(text), text.lower()) if key is None else (1, key)


def is_prerelease(ecosystem: str, version: str) -> bool:
    """Whether the ecosystem counts *version* as a pre-release; False when it is no version."""
    text = version.strip()[:_LONGEST].removeprefix("v").removeprefix("V")
    if ecosystem == "pypi":
        try:
            return Version(text).is_prerelease
        except InvalidVersion:
            return False
    if ecosystem == "gem":
        return bool(re.match(r"\d", text) and re.search(r"[A-Za-z]", text))
    match = _SEMVER.fullmatch(text)
    return bool(match and match[4])


def _pep440(text: str) -> VersionKey:
    version = Version(text)
    local = version.local or ""
    # packaging's own comparison, without a local label that both sides seldom write.
    return (Version(version.public), local)


def _semver(text: str) -> VersionKey | None:
    match = _SEMVER.fullmatch(text)
    if match is None:
        return None
    numbers = tuple(int(n or 0) for n in match.groups()[:3])
    if match[4] is None:
        return (numbers, 1, ())
    parts = tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in match[4].split(".")
    )
    return (numbers, 0, parts)


def _gem(text: str) -> VersionKey | None:
    text = text.replace("-", ".pre.").lower()
    if not re.fullmatch(r"[0-9]+(?:\.[0-9a-z]+)*", text):
        return None
    parts = _GEM.findall(text)
    numbers = []
    for part in parts:  # trailing zeros before letters and at the end mean nothing
        if part.isdecimal():
            numbers.append((1, int(part), ""))
            continue
        while numbers and numbers[-1] == (1, 0, ""):
            numbers.pop()
        numbers.append((0, 0, part))
    while numbers and numbers[-1] == (1, 0, ""):
        numbers.pop()
    # The missing parts of the shorter one count as zeros: (1, 0) sorts after letters.
    return (*numbers, (1, 0, ""))
