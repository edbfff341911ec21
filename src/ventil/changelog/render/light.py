"""AsciiDoc, RDoc, Textile and plain text: escaped, and lightly formatted.

Headings, lists, code and paragraphs by how the lines look; no macro, include or attribute of
these languages does anything. One pass over the lines.
"""

from __future__ import annotations

import re
from html import escape

_HEADING = re.compile(
    r"(?:h(?P<h>[1-6])\.|(?P<e>={1,6})|(?P<s>#{1,6}))[ \t]+(?P<text>\S.*?)[ \t=#]*$"
)
_BULLET = re.compile(
    r"(?P<indent>[ \t]*)(?P<sign>[-*+•o·‣]{1,5}|\.{1,5}|[0-9]{1,3}[.)])[ \t]+(?P<text>\S.*)$"
)
_RULE = re.compile(r"[ \t]*([-=~^_*+.#])\1{2,}[ \t]*$")
_FENCE = re.compile(r"(?:-{4,}|\.{4,}|`{3,}|={4,})[ \t]*$")
_SOURCE = re.compile(r"\[(?:source|listing|,)[^\]]*\]$|<pre>$|bc\.+$", re.IGNORECASE)
_LONGEST = 2_000  # characters of a line in which inline markup is looked for
_LINK = re.compile(
    r"(?:link:)?(?P<bare>https?://[^\s\[\]<>\"]{1,1000})\[(?P<named>[^\]\n]{0,200})\]"
    r"|\"(?P<quoted>[^\"\n]{1,200})\":(?P<textile>https?://[^\s<>\"]{1,1000}[^\s<>\".,;:)])"
    r"|\{(?P<braced>[^{}\n]{1,200})\}\[(?P<rdoc>https?://[^\s\]]{1,1000})\]"
)
_SPANS = (
    re.compile(r"``(?P<code>[^`\n]{1,200})``|`(?P<tick>[^`\n]{1,200})`"),
    re.compile(r"(?<![\w+])\+(?P<code>[\w:.#?!()/<>=-]{1,80})\+(?![\w+])"),
    re.compile(r"(?<![\w@])@(?P<code>[^@\s][^@\n]{0,100}?)@(?![\w@])"),
)
_STRONG = re.compile(r"(?<![\w*])\*(?P<s>[^\s*](?:[^*\n]{0,160}[^\s*])?)\*(?![\w*])")


def to_html(source: str, markup: str) -> str:
    """The HTML of *source*; all its text, escaped."""
    return _Lines(markup).write(source.expandtabs(8).splitlines())


class _Lines:
    def __init__(self, markup: str) -> None:
        self._markup = markup
        self._out: list[str] = []
        self._paragraph: list[str] = []
        self._lists: list[tuple[int, str]] = []  # indentation and tag of the open lists
        self._after_blank = False

    def write(self, lines: list[str]) -> str:
        at = 0
        while at < len(lines):
            at += self._block(lines, at)
        self._close_paragraph()
        self._close_lists(-1)
        return "".join(self._out)

    def _block(self, lines: list[str], at: int) -> int:
        """Take the block at line *at*; returns its number of lines."""
        line = lines[at]
        text = line.strip()
        below = lines[at + 1] if at + 1 < len(lines) else ""
        if not text:
            self._close_paragraph()
            return 1
        if _SOURCE.match(text):
            return 1
        if _FENCE.match(text) and not self._paragraph:
            end = next(
                (
                    n
                    for n in range(at + 1, min(at + 400, len(lines)))
                    if lines[n].strip() == text
                ),
                None,
            )
            if end is not None:
                self._close_paragraph()
                self._pre(lines[at + 1 : end])
                return end - at + 1
        if _RULE.match(line):
            self._close_paragraph()
            return 1
        heading = _HEADING.match(line[:_LONGEST])
        if heading and self._heads(heading):
            self._close_paragraph()
            self._close_lists(-1)
            level = int(heading["h"] or 0) or len(heading["e"] or heading["s"] or "")
            self._out.append(f"<h{level}>{self._inline(heading['text'])}</h{level}>\n")
            return 1
        if (
            _RULE.match(below)
            and len(text) < 100
            and not self._paragraph
            and not line[0].isspace()
        ):
            self._close_lists(-1)
            self._out.append(f"<h4>{self._inline(text)}</h4>\n")
            return 2
        bullet = _BULLET.match(line)
        if bullet and not (bullet["sign"][0] == "." and self._markup != "asciidoc"):
            self._close_paragraph()
            self._item(bullet)
            return 1
        self._text(line)
        return 1

    def _heads(self, heading: re.Match[str]) -> bool:
        if heading["s"]:
            return self._markup != "textile"  # where it begins a numbered list
        return True

    def _item(self, bullet: re.Match[str]) -> None:
        sign = bullet["sign"]
        depth = len(bullet["indent"])
        if len(sign) > 1 and not sign[0].isdecimal():
            depth += len(sign)  # "**" is one deeper than "*"
        self._close_lists(depth)
        if not self._lists or self._lists[-1][0] < depth:
            tag = "ol" if sign[0].isdecimal() else "ul"
            if len(self._lists) < 20:
                self._lists.append((depth, tag))
                self._out.append(f"<{tag}>")
        self._out.append("<li>")
        self._out.append(self._inline(bullet["text"]))
        self._after_blank = False

    def _text(self, line: str) -> None:
        if self._lists and self._after_blank and not line[0].isspace():
            self._close_lists(-1)
        self._paragraph.append(line.strip())
        self._after_blank = False

    def _close_paragraph(self) -> None:
        if self._paragraph:
            words = " ".join(self._inline(text) for text in self._paragraph)
            self._out.append(f" {words}" if self._lists else f"<p>{words}</p>\n")
            self._paragraph = []
        self._after_blank = True

    def _close_lists(self, depth: int) -> None:
        while self._lists and self._lists[-1][0] > depth:
            self._out.append(f"</{self._lists.pop()[1]}>\n")

    def _pre(self, lines: list[str]) -> None:
        self._out.append("<pre><code>" + escape("\n".join(lines)) + "</code></pre>\n")

    def _inline(self, text: str) -> str:
        if len(text) > _LONGEST:
            return escape(text)
        out, at = [], 0
        for match in _LINK.finditer(text):
            out.append(self._marked(text[at : match.start()]))
            target = match["bare"] or match["textile"] or match["rdoc"]
            words = match["named"] or match["quoted"] or match["braced"] or target
            out.append(f'<a href="{escape(target)}">{escape(words)}</a>')
            at = match.end()
        return "".join(out) + self._marked(text[at:])

    def _marked(self, text: str) -> str:
        pattern = _SPANS[{"rdoc": 1, "textile": 2}.get(self._markup, 0)]
        out, at = [], 0
        for match in pattern.finditer(text):
            code = next(value for value in match.groupdict().values() if value is not None)
            out.append(self._strong(text[at : match.start()]) + f"<code>{escape(code)}</code>")
            at = match.end()
        return "".join(out) + self._strong(text[at:])

    def _strong(self, text: str) -> str:
        if self._markup == "plain":
            return escape(text)
        return _STRONG.sub(lambda m: f"<strong>{m['s']}</strong>", escape(text))
