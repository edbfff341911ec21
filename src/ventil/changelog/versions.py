"""Versions in a heading: where they stand, their normal form, their order."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PRE = (
    r"(?:alpha|beta|preview|pre|rc|cr|dev|snapshot|milestone|canary|next|nightly|a|b|c|m)"
    r"(?:[-_.]?\d{1,10})?"
)
_POST = r"(?:post|patch|final|ga|release|stable|lts|pl|rev|sp|p|r|u)(?:[-_.]?\d{1,10})?"
_SUFFIX = rf"""(?:
      [-_.~]?(?:{_PRE}|{_POST})(?![A-Za-z])         # 1.0b2, 1.0-rc.1, 1.0.dev3, 1.0.Final
    | [-]\d{{1,10}}(?![.\d])                        # 1.0-1, as Debian counts
    | [-](?=[A-Za-z.-]{{0,30}}\d)[0-9A-Za-z]{{1,30}}(?:[.-][0-9A-Za-z]{{1,40}}){{1,6}}
                                                    # 1.0-next.4, 1.0-0.3.7
    | [+~][0-9A-Za-z]{{1,40}}(?:[.\-+~][0-9A-Za-z]{{1,40}}){{0,6}}  # 1.0+build.5, 1.0~rc1
    | [a-z]{{1,2}}\d{{0,4}}(?![A-Za-z0-9])          # 1.1.1k, 0.9.8zh
    | -(?!(?:un)?release|yanked|tbd|current|latest)[a-z]{{2,12}}(?=\]?[ ]{{0,2}}(?:[(\n]|$))
                                                    # 1.0.4-napi (2020-01-01)
    )"""
# "1.0 beta 2": words that stand apart but belong to the version.
_APART = (
    r"(?:[ ]{1,2}(?:(?:alpha|beta|rc|dev|pre|preview)[ .-]?\d{0,4}(?![\w.])"
    r"|release[ ]candidate[ ]\d{1,3}|[ab]\d{1,3}|rc\d{1,3})(?!\w))?"
)
# Requirements (foo>=1.0), prices and parts of words and numbers are no versions.
_EDGE = r"(?<![0-9A-Za-z.<>=~^$%])"
_LABEL = r"(?:version|release|ver|rel|rev|v)\.?[ ]?[-_:]?[ ]?"
_END = r"(?![0-9A-Za-z%])(?!\.[\dxX*])"

_DOTTED = re.compile(
    rf"""{_EDGE}(?:{_LABEL})?(?P<v>
        (?:\d{{1,3}}[!:])?\d{{1,10}}(?:\.\d{{1,16}}){{1,6}}(?:\.[xX*])?{_SUFFIX}{{0,3}}{_APART}
    ){_END}""",
    re.VERBOSE | re.IGNORECASE,
)
_LABELLED = re.compile(
    rf"{_EDGE}(?:version|release|ver|rel|rev|v|r|build)(?:\.[ ]?|[ ]?[-_:#]?[ ]?)"
    rf"(?P<v>\d{{1,8}}{_SUFFIX}{{0,2}}{_APART}){_END}",
    re.VERBOSE | re.IGNORECASE,
)
_BARE = re.compile(
    rf"\s*[\[(]?(?P<v>\d{{1,8}}{_SUFFIX}{{0,2}})(?![\w.%])[\])]?:?", re.VERBOSE | re.IGNORECASE
)
# "Changes with 252", "What's new in Sphinx 5", "Changes between versions 608 and 609"
_PHRASED = re.compile(
    rf"\b(?:changes|new|notes|news)\s+(?:in|with|for|of|from|between)\s+"
    rf"(?:(?!and\b|to\b)[\"“A-Za-z][\w.+\"”-]{{0,30}}\s+){{0,2}}(?P<v>\d{{1,5}}{_SUFFIX}{{0,1}})"
    rf"(?:\s+(?:and|to)\s+(?P<to>\d{{1,5}}))?(?=\s*[:(\[,?]|\W*$)",
    re.VERBOSE | re.IGNORECASE,
)
_FIRST_DIGIT = re.compile(r"\d")

_PEP440 = re.compile(
    r"""(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)
    (?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_n>\d*))?
    (?:-(?P<post_a>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_b>\d*))?
    (?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_n>\d*))?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?""",
    re.VERBOSE | re.ASCII,
)
_PRE_NAMES = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_UNRIPE = re.compile(
    r"(?:alpha|beta|preview|pre|rc|cr|dev|snapshot|milestone|canary|next|nightly|unstable)"
    r"|(?<=[\d._-])[abcm]\d",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"\d{1,18}")

# How two versions compare: the numbers, then unfinished (-1), finished (0), after (1).
Order = tuple[tuple[int, ...], int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Token:
    """A version at `start`..`end` of a line; the span includes a label glued to it.

    `labelled` when "v", "version" or the like stands before it, `dotted` when it has more
    than one number.
    """

    start: int
    end: int
    text: str
    labelled: bool
    dotted: bool


def find_versions(line: str) -> list[Token]:
    """The dotted or labelled versions in `line`, from left to right; wildcards left out."""
    if not _FIRST_DIGIT.search(line):
        return []
    found = [
        Token(m.start(), m.end(), m["v"], m.start() < m.start("v"), True)
        for m in _DOTTED.finditer(line)
        if m["v"][-1] not in "xX*"
    ]
    if not found:
        found = [
            Token(m.start(), m.end(), m["v"], True, False) for m in _LABELLED.finditer(line)
        ]
    if phrased := None if found else _PHRASED.search(line):
        start = phrased.start("v")
        found = [Token(start, phrased.end(), phrased["to"] or phrased["v"], True, False)]
    return found


def find_number(line: str) -> Token | None:
    """The single number that `line` begins with, as in "23 (2020)", unless it is a year."""
    match = _BARE.match(line)
    if match is None:
        return None
    text = match["v"]
    if text.isdecimal() and (len(text) > 4 or 1950 <= int(text) <= 2100):
        return None
    return Token(match.start("v"), match.end(), text, False, False)


def written(text: str) -> str:
    """The version without blanks: "1.0 beta 2" is "1.0beta2"."""
    return (
        text.replace("release candidate", "rc")
        .replace("Release Candidate", "rc")
        .replace(" ", "")
    )


def normalise(version: str) -> str:
    """The version's form for comparing: PEP 440's where it fits, else lower case.

    "1.0-Beta.2" is "1.0b2", "1.0.0-rc.1" is "1.0.0rc1", "1.0.0-next.4" stays.
    """
    version = version.strip().lower().removeprefix("v")
    match = _PEP440.fullmatch(version)
    if match is None:
        return version
    parts = match.groupdict(default="")
    result = f"{int(parts['epoch'])}!" if int(parts["epoch"] or 0) else ""
    result += ".".join(n.lstrip("0") or "0" for n in parts["release"].split("."))
    if parts["pre"]:
        result += _PRE_NAMES.get(parts["pre"], parts["pre"]) + (parts["pre_n"] or "0")
    if parts["post"] or parts["post_a"]:
        result += ".post" + (parts["post_a"] or parts["post_b"] or "0")
    if parts["dev"]:
        result += ".dev" + (parts["dev_n"] or "0")
    if parts["local"]:
        result += "+" + re.sub("[-_]", ".", parts["local"])
    return result


def unripe(version: str) -> bool:
    """Whether the version is an alpha, beta, candidate, development version or the like."""
    return bool(_UNRIPE.search(version))


def order(version: str) -> Order:
    """A key that sorts versions as their authors count; trailing zeros make no difference."""
    lower = version.lower()
    match = re.match(r"(?:\d{1,3}[!:])?((?:\d{1,18}\.?){1,8})", lower)
    if match is None:
        return ((), 0, ())
    numbers = [int(n) for n in _NUMBERS.findall(match[1])]
    while numbers and not numbers[-1]:
        numbers.pop()
    rest = lower[match.end() :]
    stage = 0 if not rest else -1 if unripe(lower) else 1
    ranks = {"d": 0, "a": 1, "b": 2, "p": 3, "r": 3, "c": 3}
    letter = next((c for c in rest if c.isalpha()), "")
    extra = (ranks.get(letter, 4) if stage < 0 else ord(letter) if letter else 0,)
    return (tuple(numbers), stage, extra + tuple(int(n) for n in _NUMBERS.findall(rest)))
