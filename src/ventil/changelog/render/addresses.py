"""Names of folders, files and anchors: safe on every file system, each its own, stable.

Names come from strangers. Nothing of them is taken as it is but small letters, digits,
`-`, `_` and `.`: a capital letter becomes `!` and its small one (JSONStream and jsonstream are
two packages, and one folder where case is ignored), any other character its UTF-8 bytes as
`~hh`. Names that Windows keeps for itself, and dots at either end, are escaped too; what is
longer than 100 characters is cut and ends in a digest of the whole.
"""

from __future__ import annotations

import hashlib
import re

_KEPT = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
_LONGEST = 100


def segment(name: str) -> str:
    """One part of a path for *name*; different names have different ones."""
    parts = []
    for character in name:
        if character in _KEPT:
            parts.append(character)
        elif "A" <= character <= "Z":
            parts.append("!" + character.lower())
        else:
            parts.append(
                "".join(f"~{b:02x}" for b in character.encode("utf-8", "surrogatepass"))
            )
    text = "".join(parts)
    if text[:1] in {".", ""} or _RESERVED.match(text):
        text = f"~{ord(text[0]):02x}{text[1:]}" if text else "~-empty"
    if text.endswith("."):
        text = text[:-1] + "~2e"
    if len(text) > _LONGEST:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        text = f"{text[:70]}~-{digest}"
    return text


def folder_of(ecosystem: str, name: str) -> str:
    """A package's folder in the site: `npm/pot`, `npm/@acme/pot`."""
    scope, slash, rest = name.partition("/")
    if slash and scope[:1] == "@" and len(scope) > 1 and rest:
        return f"{segment(ecosystem)}/@{segment(scope[1:])}/{segment(rest)}"
    return f"{segment(ecosystem)}/{segment(name)}"


def slugs(versions: list[str]) -> list[str]:
    """A name for each version, in the order given; doubles are numbered: `1.0`, `1.0~-2`."""
    counts: dict[str, int] = {}
    result = []
    for version in versions:
        slug = segment(version)
        counts[slug] = counts.get(slug, 0) + 1
        result.append(slug if counts[slug] == 1 else f"{slug}~-{counts[slug]}")
    return result


def web_address(address: str | None) -> str | None:
    """*address* when it is one that a page may link to, without `git+` and `.git`."""
    if address is None:
        return None
    address = address.removeprefix("git+").removesuffix(".git")
    if not re.fullmatch(r"https?://[^\s<>\"'\\\x00-\x20]{3,2000}", address, re.IGNORECASE):
        return None
    return address
