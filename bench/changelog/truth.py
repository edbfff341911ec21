"""A second, simpler reading of a changelog, to compare a parser's with.

Nothing here is shared with the parser. A registry's list of versions tells which versions
are real; the lines on which one of them stands first, set like a heading, are the truth,
and what else stands on lines set the same way is supported by the file's own style.
Dates are read from those lines, or from short lines with a label right below.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from dataclasses import dataclass, field

VERSION = re.compile(
    r"(?<![\w.<>=~])v?(\d+(?:\.\d+)+"
    r"(?:[-._ ]?(?:a|b|c|rc|alpha|beta|pre|preview|dev|post|p)[-._ ]?\d*)*"
    r"(?:-[A-Za-z]+\.?\d*)?)(?![\w.]*\w)",
    re.IGNORECASE,
)
WHOLE = re.compile(
    r"^\s{0,8}(?:[-*+]\s+)?(?:(?:version|release|v)\.?\s*)?\[?v?\d+(?:\.\d+)+[\w.-]*\]?"
    r"(?:\s*[-(/:,–—|[].{0,60}|\s+\(?\d{4}-\d\d-\d\d\)?)?\s*:?\s*$",
    re.IGNORECASE,
)
ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
NAMED = re.compile(
    r"(?:(\d{1,2})(?:st|nd|rd|th)?[\s.-]+(?:of\s+)?([A-Z][a-z]{2,8})[.,\s-]+(\d{4}))"
    r"|(?:([A-Z][a-z]{2,8})[.\s]+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4}))"
)
NUMBERS = re.compile(r"(?<![\d.])(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")
CTIME = re.compile(r"([A-Z][a-z]{2})\s+(\d{1,2})\s+\d\d:\d\d:\d\d\s+(?:[A-Z]{3,4}\s+)?(\d{4})")
COMPACT = re.compile(r"\((\d{4})(\d\d)(\d\d)\)")
LABEL = re.compile(
    r"^\W{0,16}(?:code ?name [^,]{1,40}, )?(?:released?(?: date|-date)?|date|published)\b"
    r"|^\W{0,8}\d{4}-\d\d-\d\d\W*$",
    re.IGNORECASE,
)
ABOUT = re.compile(
    r"upgrad|migrat|change ?log|history|series|support|deprecat|news for", re.IGNORECASE
)
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


def same(version: str) -> str:
    """A form in which spellings of one version are equal: 1.0-Beta.2, 1.0b2."""
    low = version.lower().strip().lstrip("v")
    low = re.sub(r"release[ -]candidate", "rc", low)
    low = re.sub(r"(?<=[\d._ -])(alpha)", "a", low)
    low = re.sub(r"(?<=[\d._ -])(beta)", "b", low)
    low = re.sub(r"(?<=[\d._ -])(?:c|pre|preview)(?=\.?\d)", "rc", low)
    low = re.sub(r"[-_. ]*(a|b|rc|dev|post)[-_. ]*(?=\d|$)", r"\1", low)
    low = re.sub(r"(?:\.0)+(?=$|[a-z+-])", "", low)
    return re.sub(r"(?<![\d])0+(?=\d)", "", low.replace("_", "."))


def dates_in(line: str) -> set[datetime.date]:
    """Every reading of the first date in the line; empty when there is none."""
    found: set[datetime.date] = set()

    def add(year: str, month: int, day: str) -> None:
        try:
            found.add(datetime.date(int(year), month, int(day)))
        except ValueError:
            return

    if (m := COMPACT.search(line)) or (m := ISO.search(line)):
        add(m[1], int(m[2]), m[3])
    elif m := CTIME.search(line):
        if m[1].lower() in MONTHS:
            add(m[3], MONTHS.index(m[1].lower()) + 1, m[2])
    elif m := NAMED.search(line):
        name = (m[2] or m[4])[:3].lower()
        if name in MONTHS:
            add(m[3] or m[6], MONTHS.index(name) + 1, m[1] or m[5])
    elif m := NUMBERS.search(line):
        add(m[3], int(m[1]), m[2])
        add(m[3], int(m[2]), m[1])
    return found


@dataclass
class Reading:
    """What stands in one text: versions with dates and bodies, and what style supports."""

    bodies: dict[str, str] = field(default_factory=dict)
    dates: dict[str, set[datetime.date]] = field(default_factory=dict)
    below: set[str] = field(default_factory=set)  # versions whose date is on a line below
    supported: set[str] = field(default_factory=set)


def _style(lines: list[str], number: int) -> str:
    """How the line is set, or nothing when it is not set like a heading."""
    line = lines[number]
    stripped = line.strip()
    following = lines[number + 1].strip() if number + 1 < len(lines) else ""
    if (
        len(following) > 2
        and following[0] in "=-~^\"'`*+#:."
        and not following.strip(following[0])
    ):
        return f"under {following[0]}"
    if m := re.match(r"(#{1,6})\s*\S", line):
        return m[1]
    if m := re.match(r"(={1,5}) \S", line):
        return m[1]
    if re.match(r"<h\d", stripped):
        return stripped[:3]
    if re.match(r"\*\*.{1,80}\*\*", stripped) and not line.startswith(" "):
        return "bold"
    if re.match(r"\s*(?:[*-]\s+)?:(?:release|version):", line):
        return "field"
    blank = number == 0 or not lines[number - 1].strip()
    if WHOLE.match(line) and (blank or bool(dates_in(line))):
        bullet = stripped[0] if stripped[0] in "-*+" else ""
        return f"whole {len(line) - len(line.lstrip())} {bullet}"
    return ""


def read(text: str, registry: list[str]) -> Reading:
    """The truth about one text, given the versions that its package's registry knows."""
    known = {same(v) for v in registry}
    lines = text.replace("\r\n", "\n").split("\n")
    fenced = False
    hits: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if fenced or len(line) > 400 or not any(c.isdigit() for c in line):
            continue
        style = _style(lines, number)
        if not style:
            continue
        bare = re.sub(r"\]\([^)]*\)", "] ", line)
        bare = re.sub(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}", " ", bare)
        match = VERSION.search(bare)
        lead = bare[: match.start()] if match else ""
        if match and len(lead.split()) <= 6 and not ABOUT.search(line):
            hits.append((number, style, same(match[1])))
    counts = Counter(style for _, style, version in hits if version in known)
    total = sum(counts.values())
    kept = {style for style, n in counts.items() if n >= 3 or n >= 0.2 * total}
    result = Reading()
    rows = [hit for hit in hits if hit[1] in kept]
    if not rows:
        return result
    for (number, _, version), after in zip(
        rows, [*(h[0] for h in rows[1:]), len(lines)], strict=True
    ):
        result.supported.add(version)
        # The title of a series ("4.2" over "4.2.0") has no words of its own.
        if version not in known or len(result.bodies.get(version, "").split()) > 3:
            continue
        body = lines[number + 1 : after]
        if body and len(body[0].strip()) > 2 and not body[0].strip().strip(body[0].strip()[0]):
            body = body[1:]
        result.bodies[version] = "\n".join(body)
        # The version itself may look like a date (2020.1.5): it is none.
        rest = VERSION.sub(" ", lines[number], count=1) if not ISO.match(version) else ""
        dates = dates_in(lines[number].replace(version, " ")) or dates_in(rest)
        if not dates:
            short = [line for line in body if line.strip()][:3]
            for line in short:
                alone = NAMED.fullmatch(line.strip(" *_()"))
                if len(line) < 100 and (LABEL.match(line) or alone) and dates_in(line):
                    dates = dates_in(line)
                    result.below.add(version)
                    break
        if dates:
            result.dates[version] = dates
    return result
