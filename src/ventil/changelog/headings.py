"""Lines that may be the heading of a release, and what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ventil.changelog import words
from ventil.changelog.dates import MONTHS, WEEKDAYS, Found, find_dates
from ventil.changelog.markup import plain
from ventil.changelog.page import Page
from ventil.changelog.shapes import Shape, shape_of
from ventil.changelog.versions import Order, Token, find_number, find_versions, order, written

# How far the words of a line are those of a heading.
PURE = 3  # "Version 1.0 (2020-01-19)": nothing else
TITLED = 2  # "1.0 - The first one"
LOOSE = 1  # "1.0 the first one"

MOST = 50_000  # candidates in one text, and
MOST_READ = 150_000  # lines looked at closely, so that hostile texts stay cheap
_LONGEST = 240
_RULES = frozenset("=-~^\"'`*+#:._<>")
_MARKS = frozenset("#=h<.|")
_DIGIT = re.compile(r"\d")
_BETWEEN = re.compile(
    r"[\s\"'`,]*(?:(?P<word>to|and|until|through|thru)|->|→|⇒|=>|>|\.{2,3})[\s\"'`]*"
    r"(?:(?:versions?|release|the)\s+)?(?:[A-Za-z][\w.+-]{0,30}\s+){0,2}(?:[A-Za-z][\w.+]{0,30}-)?$",
    re.IGNORECASE,
)
_TITLE_LEAD = frozenset(":,;-–—−/|([{\"'“«=>+*~.")
_NAMES_TITLE = frozenset(
    {"codename", "codenamed", "code-named", "aka", "released", "nicknamed"}
)
_ISSUE = re.compile(r"#\d")
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
        return self.shape.strength


def candidates(page: Page) -> list[Candidate]:
    """All lines of the page that may announce a release, in order."""
    found: list[Candidate] = []
    first_digit = _DIGIT.search
    hidden, lines = page.hidden, page.lines
    last, left = len(lines) - 1, MOST_READ
    directives = ".. changelog::" in page.text  # its digits stand in the lines below
    for number, line in enumerate(lines):
        digit = first_digit(line, 0, _LONGEST)
        if digit is None:
            if not directives or "changelog::" not in line:
                continue
        elif not _promising(line, digit.start(), lines[number + 1] if number < last else ""):
            continue
        if hidden[number]:
            continue
        left -= 1
        if left < 0:
            break
        shape = shape_of(page, number)
        if shape is None:
            continue
        candidate = read(shape, number)
        if candidate is not None:
            found.append(candidate)
            if len(found) >= MOST:
                break
    return found


# What stands where the first digit is: a version, a date, or a number with a label.
_OPENING = re.compile(
    r"\d+(?:[.!:]\d|[-/‐–]\d|[a-z]\d|[年년]"
    r"|(?:st|nd|rd|th|[.ºª])?[\s./-]{1,2}(?:of |de )?[^\W\d_]{3}"
    r"|[-_.]?(?:a|b|rc|dev|alpha|beta|pre))|(?:19|20)\d{6}",
    re.IGNORECASE,
)
_DOTTED_HINT = re.compile(r"\d\.\d")
_LABEL_HINT = re.compile(
    r"\b(?:[vr](?:er|ersions?|el|elease|ev|evision)?(?=[\W\d_])|build|changes|new|notes|news)",
    re.IGNORECASE,
)
_LABEL_BEFORE = re.compile(
    r"(?:\b(?:v|ver|version|release|released|rel|rev|revision|build|r)[.:#]?[ \t_-]?"
    r"|[^\W\d_]{3}[.]?[ \t-]{0,2}|[年月])$",
    re.IGNORECASE,
)


def _promising(line: str, digit: int, below: str) -> bool:
    """A cheap look at a line: whether it can be a heading at all.

    Headings by markup may have many words before the version; others have few, and the
    first number is a version or a date.
    """
    lead = line[:digit]
    if (
        "(" in lead
        and ("; urgency" in line or ");" in line or ") " in line)
        and ";" in line[:200]
    ):
        return True  # a Debian changelog
    if below[:1] in _RULES and below[:2] == below[:1] * 2 and below[:1]:
        return digit < 120
    if lead.lstrip()[:1] in _MARKS:
        return digit < 140
    if digit > 90:
        return False
    pieces = lead.split()
    if len(pieces) > 6:
        return False
    if not _DOTTED_HINT.search(line, digit, 160) and not _LABEL_HINT.search(line, 0, 120):
        return False
    if not _OPENING.match(line, digit) and not _LABEL_BEFORE.search(lead):
        # The digit may be part of a name (h5py 2.0).
        return line[digit - 1 : digit].isalpha() and len(pieces) <= 3
    return len(pieces) < 2 or not any(piece.lower() in words.SPEAKING for piece in pieces)


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
    if token is None or (not strong and not token.dotted and not token.labelled):
        return None
    prefix, rest = masked[: token.start], masked[token.end :]
    if shape.kind == "rpm":
        return _candidate(shape, number, title, token.text, dates, PURE, "", "", token)
    lead = [w.lower() for w in words.WORD.findall(prefix)]
    if "since" in lead or words.LICENCE.search(text):
        return None
    if "from" in lead and "to" not in lead and token.end - token.start < len(token.text) + 3:
        return None
    if not strong and lead and lead[0] in words.JOINING and lead[0] != "from":
        return None
    if not strong and lead and lead[-1] == "to" and "from" not in lead:
        return None  # "Update foo to 1.2"
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
        if match and (match["word"] != "and" or "between" in lead):
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
    if _ISSUE.search(rest):
        return LOOSE
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
        core = piece.rstrip(_STRIP + ")]}>").lstrip(_STRIP.replace("@", "")).lower()
        if core and core not in words.LABELS and not core.isdecimal() and core not in WEEKDAYS:
            kept.append(core)
    return " ".join(kept)
