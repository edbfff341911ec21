"""Which of many files is the changelog? Decided by names alone: nothing is opened for it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ventil.changelog.finder.links import clean_path

_STEMS = {
    "changelog": 0,
    "changelogs": 1,
    "changes": 1,
    "releasenotes": 2,
    "history": 3,
    "news": 3,
    "whatsnew": 2,
    "changehistory": 2,
    "versionhistory": 3,
    "releasehistory": 3,
    "changelist": 3,
    "releases": 4,
    "relnotes": 4,
    "versions": 7,
    "release": 8,  # as often how to make one
}
"""Stems in lower case without separators, and how likely each is; 0 is the likeliest."""

_EXTENSIONS = {
    "": 1,
    "md": 0,
    "markdown": 0,
    "mdown": 0,
    "mkd": 0,
    "mdx": 1,
    "rst": 0,
    "rest": 0,
    "adoc": 0,
    "asciidoc": 0,
    "txt": 1,
    "text": 1,
    "rdoc": 1,
    "textile": 1,
    "org": 1,
    "in": 5,
}
_SEPARATORS = re.compile(r"[-_.\s]+")
_STEM = re.compile(
    r"(change[-_ .]?logs?|changes|release[-_ .]?notes?|history|news|what'?s[-_ .]?new"
    r"|change[-_ .]history|version[-_ .]history|release[-_ .]history|changelist|releases?"
    r"|relnotes|versions)(?![a-z])",
    re.IGNORECASE,
)
_LANGUAGE = re.compile(r"[a-z]{2}(?:cn|tw|br|us|gb|hans|hant|pt)?")
_DOCS = {"docs": 2, "doc": 2, "documentation": 3, "docs/source": 3, "doc/source": 3}
_DOCS |= {"docs/src": 3, "doc/src": 3, "docs/en": 4, "docs/en/docs": 4, "docs/about": 4}
_DOCS |= {"docs/project": 4, "docs/development": 5, "docs/changelog": 3, "docs/releases": 4}
_DOCS |= {"docs/release-notes": 4, "docs/reference": 5, "docs/content": 5, ".github": 6}
_DOCS |= {"meta": 6, "misc": 6, "changelog": 4, "changelogs": 4, "docs/whatsnew": 4}
DOC_FOLDERS = frozenset(_DOCS)
"""Folders, besides the package's own, whose changelog is the package's."""

_MONOREPO_FOLDERS = frozenset("packages libs lib crates gems plugins modules projects".split())
_DOUBTFUL = 6

_Rank = tuple[int, int, int, int, str]


def may_be_changelog(path: str) -> bool:
    """Whether the file's name alone could be a changelog's, wherever it lies."""
    return _name_rank(path.rpartition("/")[2], "") is not None


def is_sure(path: str) -> bool:
    """Whether the file's name hardly ever means anything else; RELEASE.md's does."""
    rank = _name_rank(path.rpartition("/")[2], "")
    return rank is not None and rank[0] < _DOUBTFUL


def choose(paths: Iterable[str], *, folder: str = "", name: str = "") -> list[str]:
    """The paths that may be the package's changelog, the likeliest first.

    *folder* is the package's own folder, "" for the root; *name* the package's name, by
    which its folder in a monorepo is known when nothing else tells. What lies anywhere else
    than there, in the root or in a folder of documentation is left out: it is vendored,
    an example, or another package's.
    """
    bare = name.rpartition("/")[2].lower()
    ranked: dict[str, _Rank] = {}
    for path in paths:
        rank = _rank(path, folder, bare)
        if rank is not None and clean_path(path) == path:
            ranked[path] = rank
    chosen = sorted(ranked, key=lambda path: ranked[path])
    # GNU projects keep their commits in ChangeLog and what users want to know in NEWS.
    if (
        chosen
        and chosen[0].rpartition("/")[2] == "ChangeLog"
        and (news := [p for p in chosen if p.rpartition("/")[2].upper().startswith("NEWS")])
        and news[0].rpartition("/")[0] == chosen[0].rpartition("/")[0]
    ):
        chosen.remove(news[0])
        chosen.insert(0, news[0])
    return chosen


def _rank(path: str, folder: str, bare: str) -> _Rank | None:
    where, _, file = path.rpartition("/")
    name_rank = _name_rank(file, bare)
    if name_rank is None:
        return None
    place = _place_rank(where, folder, bare)
    if place is None:
        return None
    # A doubtful name loses its place: docs/changelog.md is likelier than RELEASE.md.
    doubt, extension, newest = name_rank
    return (place + (6 if doubt >= _DOUBTFUL else 0), doubt, extension, newest, path)


def _place_rank(where: str, folder: str, bare: str) -> int | None:
    if where == folder:
        return 0
    if folder:
        if where.startswith(f"{folder}/"):
            inside = _DOCS.get(where[len(folder) + 1 :].lower())
            return None if inside is None else 1 + inside
        if not where:
            return 10
        docs = _DOCS.get(where.lower())
        return None if docs is None else 10 + docs
    if bare and where.lower().rpartition("/")[2] in (bare, bare.replace("-", "_")):
        above = where.lower().rpartition("/")[0].split("/")
        if len(above) == 1 and above[0] in _MONOREPO_FOLDERS:
            return -1  # packages/NAME: nearer than the root's, which speaks of all packages
        if above == [""] or above == ["src"]:
            return 3
    docs = _DOCS.get(where.lower())
    return docs if docs is not None else None


def _name_rank(file: str, bare: str) -> tuple[int, int, int] | None:
    """(doubt, doubt by extension, minus the version it names), or None."""
    if len(file) > 120:
        return None
    lower = file.lower()
    stem, extension = lower, ""
    if "." in lower.strip("."):
        stem, _, extension = lower.rpartition(".")
        if extension not in _EXTENSIONS:
            # CHANGELOG.1 or CHANGES.old: an extension that is none.
            if "." in extension or extension in _NOT_TEXT or not stem:
                return None
            stem, extension = lower, ""
    if bare and bare not in _STEMS:
        for affix in (f"-{bare}", f"_{bare}", f".{bare}"):
            stem = stem.removesuffix(affix)
        stem = stem.removeprefix(f"{bare}-").removeprefix(f"{bare}_")
    plain = _SEPARATORS.sub("", stem).replace("'", "")
    if plain.endswith(("rst", "md")):  # CHANGES.rst.txt
        plain = plain.removesuffix("rst").removesuffix("md")
    if plain in _STEMS:
        return _STEMS[plain], _EXTENSIONS[extension], 0
    begun = _STEM.match(stem)
    if begun is None:
        return None
    base = _STEMS.get(_SEPARATORS.sub("", begun[1]).replace("'", ""), 5)
    rest = stem[begun.end() :].strip("-_. ")
    if re.fullmatch(r"v?\d{1,6}(?:[.\-_](?:\d{1,6}|x))*", rest):
        # One file for each series: the newest holds the latest version.
        first = int(re.findall(r"\d+", rest)[0])
        return 5 + (base > 4), _EXTENSIONS[extension], -first
    if _LANGUAGE.fullmatch(_SEPARATORS.sub("", rest)):
        english = rest.startswith("en")
        return (base if english else 6), 1 + _EXTENSIONS[extension], 0
    if base <= 2 and rest in ("old", "archive", "prev", "previous", "legacy", "history"):
        return 8, _EXTENSIONS[extension], 0
    return None


_NOT_TEXT = frozenset(
    "js ts jsx tsx mjs cjs py pyc rb rs go c h cc cpp java json yml yaml toml lock xml html"
    " htm css scss svg png gif jpg jpeg webp ico pdf sh bat ps1 map tpl ejs hbs jinja j2 tmpl"
    " mustache erb php pl lua sql csv zip gz tgz tar gem whl egg exe dll so class jar vue"
    " svelte snap po mo rdf atom rss db sqlite cfg ini conf d template gitkeep".split()
)
