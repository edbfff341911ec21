"""What a line looks like: a heading of some markup, a bullet, bold, or a bare line."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

from ventil.changelog.page import Page

# How far a shape alone speaks for a heading. At STRONG and above the markup says so.
STRONG = 0.9
STRENGTH = {
    "debian": 1.2,
    "directive": 1.2,
    "role": 1.2,
    "rpm": 1.1,
    "underlined": 1.0,
    "atx": 1.0,
    "equals": 1.0,
    "textile": 1.0,
    "html": 1.0,
    "bold": 0.8,
    "framed": 0.75,
    "bare": 0.7,
    "field": 0.7,
    "table": 0.6,
    "bullet": 0.55,
}
_LONGEST = 300  # characters of a line that are looked at

_ATX = re.compile(r"[ \t]*(#{1,6})[ \t]*([^#\s].*?)[ \t]*#*[ \t]*$")
_EQUALS = re.compile(r"(={1,6})[ \t]+(\S.*?)[ \t]*=*$")
_TEXTILE = re.compile(r"[ \t]*h([1-6])(?:\([^)]{0,40}\))?\.[ \t]+(\S.*)$")
_HTML = re.compile(r"[ \t]*<h([1-6])\b[^>]{0,200}>(.+?)(?:</h[1-6]>.*)?$", re.IGNORECASE)
_SUMMARY = re.compile(
    r"[ \t]*(?:<details[^>]{0,60}>[ \t]*)?<summary>(.+?)(?:</summary>.*)?$", re.I
)
_BOLD = re.compile(r"[ \t]*(\*\*|__|'''|\*|_)(?=[^\s*_])([^*_]*(?:_[^*_]+)*)\1[ \t]*(.*)$")
_STRONG_TAG = re.compile(r"[ \t]*<(b|strong|big|u)>(.+?)</\1>(.*)$", re.IGNORECASE)
_BULLET = re.compile(r"([ \t]*)([-*+•‣o·])[ \t]+(\S.*)$")
_TABLE = re.compile(r"[ \t]*\|(.+)$")
_FIELD = re.compile(r"[ \t]*:([^:`\n]{3,60}):(?:[ \t]+(.*))?$")
_FRAMED = re.compile(
    r"[ \t]*([-=*~#|/\\+@!%&:;.]{1,12})[ \t]*(.+?)[ \t]*(?:[-=*~#<|/\\+@!%&:;.]*)$"
)
_DEBIAN = re.compile(
    r"([A-Za-z0-9][\w.+-]*) \(([^()\s]{1,100})\)((?:[ \t]+[\w.+~-]{1,40}){1,8});", re.ASCII
)
_RPM = re.compile(
    r"\*[ \t]+(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,?[ \t]+\w{3,9}[ \t]+\d{1,2}[ \t]+\d{4}\b"
)
_ROLE = re.compile(r"[ \t]*(?:[-*+][ \t]+)?:release:`([^`<]{1,80})(?:<([^>`]{0,80})>)?`")
_DIRECTIVE = re.compile(
    r"[ \t]*\.\.[ \t]+(changelog|release|version|release-notes|rubric)::[ \t]*(.*)$",
    re.IGNORECASE,
)
_OPTION = re.compile(r"[ \t]+:([A-Za-z_-]{3,24}):[ \t]*(.*)$")
_RULE_SIGNS = frozenset(string.punctuation + "–—")
_ANCHOR = re.compile(
    r"[ \t]*(?:<a\b[^>]{0,200}>(?:[ \t]*</a>)?|\.\. _[^:]{1,100}:|\[\[[^\]]{1,100}\]\]"
    r"|\(\S{1,80}\)=)[ \t]*$"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a line is set.

    `key` tells heading styles of one kind apart (its level, its underline, its bullet) and
    begins with the kind; `indent` is in columns. `content` is the line without its
    markers. The heading covers the lines `first`..`body`, and the body follows.
    """

    key: tuple[str, ...]
    indent: int
    content: str
    first: int
    body: int

    @property
    def kind(self) -> str:
        """The sort of heading, a name in `STRENGTH`."""
        return self.key[0]

    @property
    def strong(self) -> bool:
        """Whether the markup says that this is a heading."""
        return self.strength >= STRONG

    @property
    def strength(self) -> float:
        """How far the markup speaks for a heading; an indented `#` is rather a comment."""
        if self.key[0] == "atx" and self.indent > 3:
            return 0.5
        return STRENGTH[self.key[0]]


def rule(line: str) -> str:
    """The sign that `line` is made of when it may underline a title, else nothing."""
    stripped = line.strip()
    if len(stripped) < 2 or stripped[0] not in _RULE_SIGNS:
        return ""
    return stripped[0] if stripped.count(stripped[0]) == len(stripped) else ""


def underline(page: Page, number: int) -> str:
    """The sign that underlines the line, or nothing. Two signs are enough if `=`, `-`, `~`."""
    if number + 1 >= len(page.lines):
        return ""
    below = page.lines[number + 1]
    sign = rule(below)
    if not sign or sign in "`|<>()[]{}":
        return ""
    if len(below.strip()) < 3 and (sign not in "=-~^" or len(page.lines[number].strip()) > 8):
        return ""
    return sign


def columns(line: str) -> int:
    """The indentation of `line` in columns, a tab being eight."""
    head = line[: len(line) - len(line.lstrip())]
    return len(head.expandtabs(8)) if "\t" in head else len(head)


def with_anchors(page: Page, first: int) -> int:
    """The first line of a heading together with the link targets right above it."""
    number, blanks = first - 1, 0
    while number >= 0 and first - number < 6 and blanks < 2:
        line = page.lines[number]
        if not line.strip():
            blanks += 1
        elif len(line) < _LONGEST and _ANCHOR.match(line):
            first = number
        else:
            break
        number -= 1
    return first


def _directive(page: Page, number: int, line: str) -> Shape | None:
    """`.. changelog::` with its options, and directives that name a version."""
    match = _DIRECTIVE.match(line)
    if match is None:
        return None
    content, body, released = match[2].strip(), number + 1, ""
    while body < len(page.lines) and body < number + 12:
        below = page.lines[body][:_LONGEST]
        option = _OPTION.match(below)
        if option is None:
            break
        name = option[1].lower()
        if name == "version" and not content:
            content = option[2].strip()
        elif name in {"released", "date", "release-date"}:
            released = option[2].strip() or "unreleased"
        body += 1
    if not content:
        return None
    content = f"{content} ({released})" if released else content
    return Shape(("directive", match[1].lower()), columns(line), content, number, body)


def _special(page: Page, number: int, line: str) -> Shape | None:
    """Formats that have rules of their own."""
    if ".. " in line:
        return _directive(page, number, line)
    if ":release:`" in line and (role := _ROLE.match(line)):
        content = f"{role[1].strip()} ({role[2]})" if role[2] else role[1].strip()
        return Shape(("role",), 0, content, number, number + 1)
    if line[:1] == "*" and _RPM.match(line):
        return Shape(("rpm",), 0, line[1:].strip(), number, number + 1)
    if ");" not in line and "; urgency" not in line and ";" not in line:
        return None
    if debian := _DEBIAN.match(line):
        return Shape(("debian",), 0, f"{debian[1]} {debian[2]}", number, number + 1)
    return None


def shape_of(page: Page, number: int) -> Shape | None:
    """How the line is set, None for lines that are markup of another sort.

    Lines longer than 300 characters are judged by their beginning.
    """
    line = page.lines[number]
    if len(line) > _LONGEST:
        line = line[:_LONGEST]
    special = _special(page, number, line)
    if special is not None:
        return special
    stripped = line.lstrip()
    if not stripped or stripped.startswith((".. ", "..\t")):
        return None
    indent = columns(line)
    sign = underline(page, number)
    if sign and indent < 8 and not rule(line):
        over = page.lines[number - 1] if number else ""
        boxed = bool(sign) and rule(over) == sign and len(over.strip()) >= 3
        text = stripped.strip("| \t") if sign in "-=" else stripped
        if (bullet := _BULLET.match(text)) and bullet[2] != "o":
            text = bullet[3]
        elif atx := _ATX.match(text):
            text = atx[2]
        first = number - 1 if boxed else number
        # Under a line that is indented itself it is rather an example of a heading.
        deep = "deep" if columns(page.lines[number + 1]) > 3 else ""
        key = ("underlined", sign, "boxed" if boxed else "", deep)
        return Shape(key, indent, text.rstrip(), first, number + 2)
    if not indent and (lines := _lines_over_rule(page, number)):
        sign = rule(page.lines[number + lines])
        # What stands below the first line stays in the body: it holds the date.
        return Shape(
            ("underlined", sign, "", ""), indent, stripped.rstrip(), number, number + 1
        )
    return _marked(line, stripped, indent, number)


_SECOND_LINE = re.compile(r"\*?(?:release|date|\(|codename)", re.IGNORECASE)


def _lines_over_rule(page: Page, number: int) -> int:
    """How many lines a title of more than one has, the first being `number`; else 0.

    The others must speak of the release, its date or its name.
    """
    lines = page.lines
    if number + 2 >= len(lines) or not page.blank(number - 1):
        return 0
    for count in (1, 2):
        second = lines[number + count]
        if not second or len(second) > 100 or not _SECOND_LINE.match(second):
            return 0
        if underline(page, number + count):
            return count + 1
    return 0


def _marked(line: str, stripped: str, indent: int, number: int) -> Shape | None:
    """How a line is set that has nothing under it."""

    def shape(content: str, *key: str) -> Shape:
        return Shape(key, indent, content, number, number + 1)

    deep = str(indent) if indent > 3 else ""
    lead = stripped[0]
    if lead == "#" and (match := _ATX.match(line)):
        return shape(match[2], "atx", str(len(match[1])), deep)
    if lead == "=" and (match := _EQUALS.match(stripped)):
        return shape(match[2], "equals", str(len(match[1])), deep)
    if lead == "h" and (match := _TEXTILE.match(line)):
        return shape(match[2], "textile", match[1])
    if lead == "<":
        if match := _HTML.match(line):
            return shape(match[2], "html", match[1])
        if match := _SUMMARY.match(line):
            return shape(match[1], "html", "summary")
        if match := _STRONG_TAG.match(line):
            return shape(
                f"{match[2]} {match[3]}".rstrip(), "bold", match[1].lower(), str(indent)
            )
    if lead in "*_'" and (match := _BOLD.match(line)):
        return shape(f"{match[2]} {match[3]}".rstrip(), "bold", match[1], str(indent))
    if match := _BULLET.match(line):
        text = match[3]
        bold = "bold" if text[:2] in {"**", "__"} else ""
        return shape(text.rstrip(), "bullet", match[2], str(indent), bold)
    if lead == "|" and (match := _TABLE.match(line)):
        cells = [cell.strip() for cell in match[1].strip().strip("|").split("|")]
        return shape(" | ".join(cells), "table")
    if lead == ":" and (match := _FIELD.match(line)):
        return shape(f"{match[1]}: {match[2] or ''}".rstrip(": "), "field", str(indent))
    if not lead.isalnum() and lead not in "[(`\"“<>$'\\":
        match = _FRAMED.match(line)
        if match and not rule(line):
            return shape(match[2], "framed", match[1][0], str(indent))
        if match is None:
            return None
    return shape(stripped.rstrip(), "bare", str(indent))
