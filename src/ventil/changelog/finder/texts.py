"""Texts looked at just closely enough to go on: is this it, or does it send us elsewhere?

Nothing here parses: that is done elsewhere, in a process of its own. These are searches
with bounded patterns over bounded texts.
"""

from __future__ import annotations

import posixpath
import re

from ventil.changelog.decoding import decode
from ventil.changelog.finder.links import (
    Elsewhere,
    FileLink,
    ReleasesLink,
    Repository,
    Target,
    clean_path,
    read_link,
)

SHORT = 3_000
"""Bytes; a longer text is a changelog, whatever it links to."""

_VERSION_LINE = re.compile(
    r"^[ \t]{0,4}[-#=*+\[(_<`'\"~.:|h0-9]{0,12}[ \t]*"
    r"(?:[A-Za-z@][\w./@-]{0,60}[ \t]+|[A-Za-z@][\w./@-]{0,60}[-@])?[\[(`v*_]{0,4}"
    r"\d{1,9}\.\d{1,9}",
    re.M,
)
_URL = re.compile(r"https?://[^\s<>()\[\]{}\"'`|\\^]{4,500}")
_INCLUDE = re.compile(
    r"(?:\.\.[ \t]+(?:include|mdinclude|literalinclude)::[ \t]*|\{include\}[ \t]*"
    r"|--8<--[ \t]*[\"']|\{%-?[ \t]*include(?:-markdown)?[ \t]+[\"']|include::)"
    r"([\w./@-]{1,200})"
)
_LOCAL = re.compile(
    r"\]\((?!https?:|#|mailto:)([\w./@-]{1,200})[#)?]|`[^`<>]{0,80}<([\w./@-]{1,200}\.\w{2,8})>`"
    r"|\b((?:docs?|changelogs?|packages|[.]{1,2})/[\w./@-]{1,150}\.\w{2,8})\b"
)
_ONE_PATH = re.compile(r"[\w.@-]{1,60}(?:/[\w.@-]{1,60}){0,10}")

Pointer = Target | str
"""Where a text points: a link, or a path in the same repository or archive."""


def tells_of_releases(text: bytes) -> bool:
    """Whether a line of the text begins like a release, or the text is long."""
    return len(text) > SHORT or _VERSION_LINE.search(decode(text)) is not None


def points_to(text: bytes, path: str) -> Pointer | None:
    """Where a text that is no changelog itself says that it is; None when it does not.

    *path* is the text's own; paths in it are resolved against its folder and, when they
    lead outside, not followed. A file of one line that is a path is a symbolic link, as
    code hosts give it. Only short texts point elsewhere.
    """
    if len(text) > SHORT:
        return None
    shown = decode(text).strip()
    folder = path.rpartition("/")[0]
    if _ONE_PATH.fullmatch(shown) and ("/" in shown or "." in shown):
        return _inside(folder, shown)
    if (included := _INCLUDE.search(shown)) is not None:
        return _inside(folder, included[1])
    if _VERSION_LINE.search(shown) is not None:
        return None
    elsewhere: Pointer | None = None
    for found in _URL.finditer(shown):
        target = read_link(found[0].rstrip(".,;:!?*_"))
        if isinstance(target, FileLink | ReleasesLink):
            return target
        if elsewhere is None and isinstance(target, Elsewhere | Repository):
            elsewhere = target
    for local in _LOCAL.finditer(shown):
        inside = _inside(folder, local[1] or local[2] or local[3])
        if inside is not None and inside != path:
            return inside
    return elsewhere


def _inside(folder: str, path: str) -> str | None:
    """*path* from the root; "/" begins at the root, as sites' generators have it."""
    if path.startswith("/"):
        return clean_path(path.lstrip("/")) or None
    return clean_path(posixpath.join(folder, path)) or None


_WORDS = (
    r"(?:change[ -]?log|changes|release (?:notes|history)|version history|history"
    r"|what'?s new|news)"
)
_MARKDOWN = re.compile(rf"^(#{{1,4}})[ \t]*{_WORDS}\b[^\n]{{0,40}}$", re.M | re.I)
_RST = re.compile(rf"^[ \t]*{_WORDS}[ \t:]*\r?\n([=~^\"'#*+_-])\1{{2,80}}[ \t]*$", re.M | re.I)


def part_about_changes(description: str) -> bytes | None:
    """The part of a description under a heading such as "Changelog"; None without one.

    It ends at the next heading as high, and must tell of a version.
    """
    description = description[:1_000_000].replace("\r\n", "\n")
    for pattern in (_MARKDOWN, _RST):
        for found in pattern.finditer(description):
            level = found[1]
            if pattern is _MARKDOWN:
                end = re.compile(rf"^#{{1,{len(level)}}}[^#\n]", re.M)
                first = description.find("\n", found.end())
                stop = end.search(description, first) if first >= 0 else None
                until = stop.start() if stop else len(description)
            else:
                end = re.compile(rf"^[^\n]{{1,120}}\n{re.escape(level)}{{3,80}}[ \t]*$", re.M)
                stop = end.search(description, found.end() + 1)
                until = stop.start() if stop else len(description)
            part = description[found.start() : until].strip()
            if _VERSION_LINE.search(part, found.end() - found.start()) is not None:
                return part.encode("utf-8", "replace")
    return None


_SUCCESSOR = re.compile(
    r"\b(renamed (?:to|as|into)|now (?:called|named|known as|published (?:as|under))|moved to"
    r"|has become)[ \t:]{1,3}(?:the |npm |package )?([`'\"*<(\[]{0,2})"
    r"(@[\w.-]{1,100}/[\w.-]{1,100}|[\w.-]{2,100})",
    re.IGNORECASE,
)
_NO_NAMES = frozenset(
    ("the", "an", "github", "gitlab", "npm", "pypi", "http", "https", "www", "typescript", "it")
)


def successor(note: str) -> str | None:
    """The package that a note says this one has become; None without one.

    Only words of renaming count: "use x instead" may name another project altogether, and
    its changelog would not be this package's. After "moved to" and "has become" a name must
    look like one, by quotes, a scope or a hyphen.
    """
    for verb, mark, name in _SUCCESSOR.findall(note[:1000]):
        name = name.rstrip(".,;:-")
        sure = mark or name.startswith("@") or "-" in name or "_" in name
        if name.lower() in _NO_NAMES or len(name) < 2:
            continue
        if sure or verb.lower() not in ("moved to", "has become"):
            return str(name)
    return None
