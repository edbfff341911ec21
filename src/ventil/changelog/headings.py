"""Lines that may be the heading of a release, and what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ventil.changelog import words
from ventil.changelog.dates import MONTHS, WEEKDAYS, Found, find_dates
from ventil.changelog.markup import plain
from ventil.changelog.page import Page
from ventil.changelog.shapes import STRENGTH, Shape, shape_of
from ventil.changelog.versions import Order, Token, find_number, find_versions, order, written

# How far the words of a line are those of a heading.
PURE = 3  # "Version 1.0 (2020-01-19)": nothing else
TITLED = 2  # "1.0 - The first one"
LOOSE = 1  # "1.0 the first one"

MOST = 100_000  # lines read as candidates, so that hostile texts stay cheap
_LONGEST = 240
_DIGIT = re.compile(r"\d")
_BETWEEN = re.compile(
    r"[\s\"'`]*(?:(to|and|until|through|thru)|->|→|⇒|=>|>|\.{2,3})[\s\"'`]*$", re.I
)
_TITLE_LEAD = frozenset(":,;-–—−/|([{\"'“«=>+*~.")
_NAMES_TITLE = frozenset(
    {"codename", "codenamed", "code-named", "aka", "released", "nicknamed"}
)
_STRIP = " \t-–—:,;@/_([{<\"'`|.#=*~+"


@dataclass(slots=True)
class Candidate:
    """A line that may announce a release.

    `words` is one of PURE, TITLED, LOOSE. `name` are the words before the version that are
    no labels, lower case; `rest` is what follows the version and its date. `speaking`
    when a word before the version says that the line is about a version, not its heading.
    `coded` when the name is a title with the version in brackets: "Tutte (3.10)".
    """

    shape: Shape
    title: str
    version: str
    order: Order
    dates: list[Found]
    words: int
    name: str
    rest: str
    labelled: bool
    dotted: bool
    speaking: bool
    coded: bool
    number: int
    found: list[Found] = field(default_factory=list)

    @property
    def strength(self) -> float:
        """How much the line's markup speaks for a heading."""
        return STRENGTH[self.shape.key[0]]


def candidates(page: Page) -> list[Candidate]:
    """All lines of the page that may announce a release, in order."""
    found: list[Candidate] = []
    has_digit = _DIGIT.search
    hidden = page.hidden
    numbers = [i for i, line in enumerate(page.lines) if has_digit(line, 0, _LONGEST)]
    # SQLAlchemy's directive has its digits in the lines below.
    if ".. changelog::" in page.text:
        extra = [
            i for i, line in enumerate(page.lines) if line.lstrip().startswith(".. changelog::")
        ]
        numbers = sorted({*numbers, *extra})
    for number in numbers:
        if number in hidden:
            continue
        line = page.lines[number]
        if _hopeless(line) and "changelog::" not in line:
            continue
        shape = shape_of(page, number)
        if shape is None:
            continue
        candidate = read(shape, number)
        if candidate is not None:
            found.append(candidate)
            if len(found) >= MOST:
                break
    return found


_QUICK = re.compile(r"[ \t]*(?:[-*+•][ \t]+)?([^\d\n]{0,70})\d")


def _hopeless(line: str) -> bool:
    """Whether the line is prose, seen cheaply: many words before its first digit."""
    match = _QUICK.match(line)
    return match is None or match[1].count(" ") > 9


def read(shape: Shape, number: int) -> Candidate | None:
    """What a line says as a heading, or None when it names no version."""
    strong = shape.strong
    title = shape.content[:_LONGEST]
    if not strong and shape.kind != "bold" and _long_lead(title):
        return None
    text = plain(title).strip() if shape.kind != "debian" else title
    found = find_dates(text)
    masked = _masked(text, [f for f in found if not f.doubtful])
    token, masked, dates = _version(masked, found, strong=strong or shape.kind == "bold")
    if shape.kind == "debian" and token is None:
        return None
    if shape.kind == "debian":
        name, _, version = title.partition(" ")
        return _candidate(shape, number, title, version, [], PURE, name.lower(), "", token)
    if token is None:
        return None
    prefix, rest = masked[: token.start], masked[token.end :]
    if shape.kind == "rpm":
        return _candidate(shape, number, title, token.text, dates, PURE, "", "", token)
    lead = [w.lower() for w in words.WORD.findall(prefix)]
    if "since" in lead or words.LICENCE.search(text):
        return None
    named = [w for w in lead if w not in words.LABELS and w not in WEEKDAYS]
    coded = _bracketed(prefix, rest) and bool(named)
    if len(named) > (6 if strong else 3) or len(lead) > 9:
        return None
    speaking = any(w in words.SPEAKING for w in named) or prefix.rstrip().endswith(("?", "!"))
    if speaking and not strong:
        return None
    grade = _grade(rest)
    if coded and not strong and grade < PURE:
        return None
    result = _candidate(
        shape, number, title, token.text, dates, min(grade, TITLED) if coded else grade,
        "" if coded else _name(prefix), text[token.end :].strip(), token,
    )  # fmt: skip
    result.speaking, result.coded = speaking, coded
    return result


def _candidate(
    shape: Shape, number: int, title: str, version: str, dates: list[Found], grade: int,
    name: str, rest: str, token: Token | None,
) -> Candidate:  # fmt: skip
    version = written(version)
    return Candidate(
        shape=shape,
        title=title,
        version=version,
        order=order(version),
        dates=dates,
        words=grade,
        name=name,
        rest=rest,
        labelled=token.labelled if token else False,
        dotted=token.dotted if token else True,
        speaking=False,
        coded=False,
        number=number,
    )


def _long_lead(text: str) -> bool:
    """Whether too many words stand before the first digit for a line without markup."""
    match = _DIGIT.search(text)
    return match is None or (match.start() > 16 and text.count(" ", 0, match.start()) > 6)


def _masked(text: str, found: list[Found]) -> str:
    for date in found:
        text = text[: date.start] + " " * (date.end - date.start) + text[date.end :]
    return text


def _version(
    masked: str, found: list[Found], *, strong: bool
) -> tuple[Token | None, str, list[Found]]:
    """The version that the line announces, the line without its dates, and those dates."""
    tokens = find_versions(masked)
    doubtful = [f for f in found if f.doubtful]
    if doubtful:
        outside = [t for t in tokens if not any(f.start <= t.start < f.end for f in doubtful)]
        if outside:
            masked = _masked(masked, doubtful)
            tokens = find_versions(masked)
        else:
            found = [f for f in found if not f.doubtful]
    if not tokens:
        number = find_number(masked) if strong else None
        return number, masked, found
    first = tokens[0]
    if len(tokens) > 1:
        between = masked[first.end : tokens[1].start]
        match = _BETWEEN.match(between)
        lead = masked[: first.start].lower()
        if match and (match[1] != "and" or "between" in lead):
            start, second = first.start, tokens[1]
            return (
                Token(start, second.end, second.text, second.labelled, second.dotted),
                masked,
                found,
            )
    return first, masked, found


def _bracketed(prefix: str, rest: str) -> bool:
    return prefix.rstrip()[-1:] in {"(", "["} and rest.lstrip()[:1] in {")", "]"}


def _grade(rest: str) -> int:
    """How much the words after the version are those of a heading."""
    rest = rest.strip(" \t)]}>")
    if not rest:
        return PURE
    after = [w.lower().rstrip("'’") for w in words.WORD.findall(rest)]
    other = [w for w in after if w not in words.TAIL and w not in MONTHS and w not in WEEKDAYS]
    if not other and not _odd_numbers(rest):
        return PURE
    if rest[0] in _TITLE_LEAD or (after and after[0] in _NAMES_TITLE):
        return TITLED
    return LOOSE


def _odd_numbers(rest: str) -> bool:
    """Whether numbers are left that are no year, day or time."""
    return (
        any(len(n) > 4 for n in re.findall(r"\d+", rest)) or len(re.findall(r"\d+", rest)) > 4
    )


def _name(prefix: str) -> str:
    """The package's name in the words before a version, lower case; may be empty."""
    kept = []
    for piece in prefix.split():
        core = piece.strip(_STRIP + ")]}>").lower()
        if core and core not in words.LABELS and not core.isdecimal() and core not in WEEKDAYS:
            kept.append(core)
    return " ".join(kept)
