"""Which markup a changelog is written in: what its text shows, then what its name says."""

from __future__ import annotations

import re

from ventil.changelog.decoding import decode
from ventil.changelog.document import Markup

_ENDINGS: tuple[tuple[str, Markup], ...] = (
    (r"md|markdown|mdown|mkdn?|mkd|mdx", "markdown"),
    (r"rst|rest", "rst"),
    (r"adoc|asciidoc|asc", "asciidoc"),
    (r"rdoc", "rdoc"),
    (r"textile", "textile"),
    (r"html?|xhtml", "html"),
)
_ENDING = tuple(
    (re.compile(rf"\.(?:{ending})(?:\.txt)?$", re.IGNORECASE), markup)
    for ending, markup in _ENDINGS
)
_LOOKED_AT = 100_000  # characters
# Signs of a markup, and what one of them weighs. What the ending says weighs as much as
# _NAMED signs; a few signs that two languages share are not listed.
_WEIGHTS: tuple[tuple[Markup, int, str], ...] = (
    ("markdown", 2, r"^#{1,6} [^\n#]"),
    ("markdown", 2, r"\]\(<?(?:https?:|\.{0,2}/|#)"),
    ("markdown", 2, r"^\[[^\]\n]{1,80}\]:[ \t]+\S"),
    ("markdown", 2, r"^[ \t]{0,3}```"),
    ("markdown", 1, r"(?<![`:\w])`[^`\n]{1,60}`(?![`_])"),
    ("rst", 2, r"^\.\. (?:[\w:.-]{1,40}::|_[^\n]{1,80}:)"),
    ("rst", 3, r"`[^`\n]{1,160}`_"),
    ("rst", 3, r":[a-z][\w.+-]{1,20}:`"),
    ("rst", 2, r"``[^`\n]{1,80}``"),
    ("rst", 1, r"^[^\s\-=~^*#][^\n]{0,80}\n([=~^\"'*+\-])\1{3,}[ \t]*$"),
    ("asciidoc", 2, r"^={1,5} [^\n=]"),
    ("asciidoc", 2, r"\b(?:https?|link):[^\s\[\]]{1,200}\[[^\]\n]{0,80}\]"),
    ("rdoc", 2, r"^={1,5} ?(?:v?\d|[A-Z])[^\n=]"),
    ("rdoc", 1, r"(?<!\w)\+[\w:.#?!]{1,60}\+(?!\w)"),
    ("textile", 3, r"^h[1-6]\. "),
    ("textile", 2, r"\"[^\"\n]{1,80}\":https?:"),
    ("html", 3, r"<(?:h[1-6]|ul|li|p)\b[^>\n]{0,80}>"),
)
_SIGNS = tuple((m, weight, re.compile(p, re.M)) for m, weight, p in _WEIGHTS)
_NAMED = 4
_ENOUGH = 4


def markup_of(text: str | bytes, filename: str | None = None) -> Markup:
    """The markup of *text*; "plain" when nothing speaks for another.

    *filename* is a hint that much evidence in the text overrules: a CHANGES.txt is often
    reStructuredText, a CHANGELOG.rst sometimes Markdown.
    """
    if isinstance(text, bytes):
        text = decode(text[: 4 * _LOOKED_AT])
    text = text[:_LOOKED_AT]
    weights: dict[Markup, float] = {}
    for markup, weight, pattern in _SIGNS:
        found = sum(1 for _ in zip(range(200), pattern.finditer(text), strict=False))
        weights[markup] = weights.get(markup, 0) + weight * found
    for pattern, markup in _ENDING:
        if pattern.search(filename or ""):
            weights[markup] = 2 * weights.get(markup, 0) + _NAMED
    best = max(weights, key=lambda markup: weights[markup])
    return best if weights[best] >= _ENOUGH else "plain"
