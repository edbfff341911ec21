"""Markdown as its readers mean it: CommonMark with tables and strikethrough.

HTML in it stays HTML here (people write <details> and <br>); it is the sanitiser's to judge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference

_NESTING = 20  # levels; deeper ones are left as text
_MARKDOWN = MarkdownIt("commonmark", {"html": True, "maxNesting": _NESTING}).enable(
    ["table", "strikethrough"]
)
_TASK = re.compile(r"^([ \t]*[-*+][ \t]+)\[([ xX])\](?=[ \t])", re.M)
_ALERT = re.compile(
    r"^([ \t]{0,3}>[ \t]?)\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\][ \t]*$", re.M
)
_DEFINITION = re.compile(
    r"^[ ]{0,3}\[([^\[\]\n]{1,200})\]:[ \t]*<?(\S{1,2000}?)>?(?=[ \t\r\n]|$)", re.M
)


def to_html(source: str, links: Mapping[str, str]) -> str:
    """The HTML of *source*, not yet safe. *links* are targets for labels it does not define."""
    source = _TASK.sub(lambda m: m[1] + ("☐" if m[2] == " " else "☑"), source)
    source = _ALERT.sub(lambda m: f"{m[1]}**{m[2].capitalize()}**  ", source)
    references = {
        normalizeReference(label): {"title": "", "href": target, "map": [0, 0]}
        for label, target in links.items()
        if _MARKDOWN.validateLink(target)
    }
    environment: dict[str, Any] = {"references": references}
    return str(_MARKDOWN.render(source, environment))


def definitions(text: str, most: int) -> dict[str, str]:
    """The link targets that *text* defines for labels, at most *most*, the first of each."""
    found: dict[str, str] = {}
    for match in _DEFINITION.finditer(text):
        if match[1].startswith("^"):
            continue  # a footnote
        found.setdefault(match[1], match[2])
        if len(found) >= most:
            break
    return found
