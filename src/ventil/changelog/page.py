"""A text as numbered lines, with those marked that are hidden from readers or are code."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from itertools import accumulate

_FENCE = re.compile(r"^[ \t]{0,12}(?:[-*+] {1,3})?(`{3,}|~{3,})[ \t]*([^\n`]{0,80})", re.M)
_DOTS = re.compile(r"^\.\.[ \t]*\r?$", re.M)
_LONGEST_MATTER = 40  # lines of settings at the head of a page
_LONGEST_FENCE = 600  # lines; a longer one is a fence that somebody forgot to close


class Page:
    """The lines of a text.

    `lines[i]` has no line end; `starts[i]` is its offset in `text`, with one more entry
    for the end. Lines end with LF or CRLF, or with CR where there is no LF at all; other
    characters that Unicode counts as line ends are left alone. `hidden[i]` is 1
    for lines inside fenced code, and comments of HTML and reStructuredText.
    """

    __slots__ = ("hidden", "lines", "starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        end = "\n" if "\n" in text or "\r" not in text else "\r"
        self.lines = text.split(end)
        self.starts = array("Q", [0])
        self.starts.extend(accumulate(len(line) + 1 for line in self.lines))
        if end == "\n" and "\r" in text:
            self.lines = [line.rstrip("\r") for line in self.lines]
        self.hidden = bytearray(len(self.lines))
        if text.startswith("---"):
            self._hide_front_matter()
        if "```" in text or "~~~" in text:
            self._hide_fences()
        if "<!--" in text:
            self._hide_comments()
        if "..\n" in text or "..\r" in text:
            self._hide_indented_comments()

    def line_at(self, offset: int) -> int:
        """The number of the line that holds `offset`."""
        return min(bisect_right(self.starts, offset), len(self.lines)) - 1

    def blank(self, number: int) -> bool:
        """Whether the line is blank; lines beyond either end are."""
        return not 0 <= number < len(self.lines) or not self.lines[number].strip()

    def source(self, first: int, after: int) -> str:
        """The source of the lines from `first` up to `after`, without blank ones around."""
        while first < after and not self.lines[first].strip():
            first += 1
        while after > first and not self.lines[after - 1].strip():
            after -= 1
        if first >= after:
            return ""
        return self.text[self.starts[first] : self.starts[after] - 1].rstrip()

    def _hide(self, first: int, last: int) -> None:
        if first <= last:
            self.hidden[first : last + 1] = b"\1" * (last + 1 - first)

    def _hide_front_matter(self) -> None:
        """Settings of a site's generator, between lines of three hyphens."""
        for number in range(1, min(len(self.lines), _LONGEST_MATTER)):
            if self.lines[number].rstrip() == "---":
                if all(":" in line or line[:1] in " -#" for line in self.lines[1:number]):
                    self._hide(0, number)
                return

    def _hide_fences(self) -> None:
        opened: tuple[int, str] | None = None
        for match in _FENCE.finditer(self.text):
            number = self.line_at(match.start(1))
            fence, info = match[1], match[2].strip()
            if opened is None or (info and fence[0] == opened[1][0]):
                # An opening inside an open one: the first was never closed.
                if fence[0] == "`" or self._may_open(number):
                    opened = (number, fence)
                continue
            first, opening = opened
            if fence[0] != opening[0] or len(fence) < len(opening):
                continue
            if number - first <= _LONGEST_FENCE:
                self._hide(first, number)
            opened = None

    def _may_open(self, number: int) -> bool:
        """Whether tildes open code here, and are not the line over or under a title."""
        if not self.blank(number - 1):
            return False
        return not (number + 2 < len(self.lines) and self.lines[number + 2].startswith("~~~"))

    def _hide_indented_comments(self) -> None:
        """What is indented under a line of two dots: a comment of reStructuredText."""
        last = -1
        for match in _DOTS.finditer(self.text):
            first = self.line_at(match.start()) + 1
            if first <= last or self.blank(first):
                continue
            last = first - 1
            for number in range(first, len(self.lines)):
                line = self.lines[number]
                if line.strip():
                    if line[0] not in " \t":
                        break
                    last = number
            self._hide(first, last)

    def _hide_comments(self) -> None:
        start = self.text.find("<!--")
        while start >= 0:
            end = self.text.find("-->", start + 4)
            if end < 0:
                return
            first, last = self.line_at(start), self.line_at(end)
            if self.text[self.starts[first] : start].strip():
                first += 1  # something stands before the comment
            if self.lines[last][end + 3 - self.starts[last] :].strip():
                last -= 1  # or after it
            self._hide(first, last)
            start = self.text.find("<!--", end + 3)
