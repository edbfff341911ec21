"""A release's body as safe HTML: rendered, made ours, sanitised.

The way: the markup's own renderer; `tidy` (well-formed and harmless); one walk over the
result that resolves links, turns images into links, puts headings below the page's own,
prefixes identifiers and links issue numbers, people and commits; `sanitised`, whose output
is what is published. A renderer that fails or is given too much costs its formatting and not
the text: the source is shown as written.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape, unescape
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

from ventil.changelog.document import Document, Markup
from ventil.changelog.render import light, markdown, rst
from ventil.changelog.render.forge import Forge, forge_of, places_in, resolved
from ventil.changelog.render.sanitise import sanitised, tidy

LONGEST_BODY = 200_000
"""Characters of a body that are rendered; the rest is left out, and the page says so."""

_MOST_LINES = 10_000
"""Lines of a body that a parser is given; a parser's time goes by lines more than by length."""

_MOST_LINKS = 2_000
_MOST_OPENERS = 2_000
_BREAKS = re.compile(r"\n[ \t]*\r?\n|\n(?=[ \t]*[-*+][ \t]+\S)")
_CROWDED = re.compile(r"[\[\]*_`~<!|>]")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a body is rendered in.

    `markup` is its language, `links` the targets that the whole text defines, `forge` where
    its issues and files are (None: unknown). `prefix` begins every identifier, so that no
    body's names meet another's or the page's. `top` is the level that its highest heading
    gets, 2 to 6.
    """

    markup: Markup = "plain"
    links: Mapping[str, str] = field(default_factory=dict)
    forge: Forge | None = None
    prefix: str = "c-"
    top: int = 3


def setting_of(document: Document, *, prefix: str = "c-", top: int = 3) -> Setting:
    """The setting of a document's bodies."""
    place = document.place
    here = None if place is None or place.how == "archive" else forge_of(place.url)
    forge = forge_of(
        document.package.repository or (place.url if place and here else None),
        ref=place.ref if place and here else None,
        filename=place.filename if place and here else None,
    )
    return Setting(document.markup, document.links, forge, prefix, top)


def render_body(source: str, setting: Setting) -> str:
    """Safe HTML of a body; always the same for the same arguments. Never raises."""
    cut = source[:LONGEST_BODY]
    html = _finished(_rendered(textwrap.dedent(cut), setting), setting)
    if len(source) > len(cut):
        html += "<p><em>The text is longer; the rest is not shown here.</em></p>"
    return html


def link_targets(text: str, markup: Markup) -> dict[str, str]:
    """The targets that a changelog defines for its labels, for `Document.links`."""
    if markup == "markdown":
        return markdown.definitions(text, _MOST_LINKS)
    if markup == "rst":
        return rst.definitions(text, _MOST_LINKS)
    return {}


def _rendered(source: str, setting: Setting) -> str:
    markup = setting.markup
    if not source.strip():
        return ""
    try:
        if markup in {"markdown", "rst"} and _too_much(source):
            return light.to_html(source, "plain")
        if markup == "markdown":
            return markdown.to_html(source, _needed(source, setting.links))
        if markup == "rst":
            return rst.to_html(source, setting.links)
        if markup == "html":
            return source
        return light.to_html(source, markup)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception:  # whatever a parser has against a text, the text is shown
        return _as_written(source)


def _finished(html: str, setting: Setting) -> str:
    walk = _Walk(setting, tidy(html))
    return sanitised(walk.result())


def _as_written(source: str) -> str:
    return f'<pre class="as-written"><code>{escape(source)}</code></pre>'


def _too_much(source: str) -> bool:
    """Whether a parser would be slow.

    That is when there are very many lines, or so many signs of inline markup in one
    paragraph that their pairing takes long.
    """
    return source.count("\n") > _MOST_LINES or any(
        len(_CROWDED.findall(paragraph)) > _MOST_OPENERS
        for paragraph in _BREAKS.split(source)
        if len(paragraph) > _MOST_OPENERS
    )


def _needed(source: str, links: Mapping[str, str]) -> dict[str, str]:
    """The targets whose labels stand in the body."""
    lowered = source.casefold()
    return {label: target for label, target in links.items() if label.casefold() in lowered}


_QUIET = {"a", "code", "pre", "kbd", "samp"}  # where #123 is no link
_VOID = {"br", "hr", "wbr", "img", "col"}
_HEADING = re.compile(r"h[1-6]")
_HEADINGS = re.compile(r"<h([1-6])\b")


class _Walk(HTMLParser):
    """Well-formed HTML in, ours out."""

    def __init__(self, setting: Setting, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self._setting = setting
        self._out: list[str] = []
        self._quiet = 0
        self._links = 0
        self._ends: list[str] = []  # what ends each open <a>
        self._text: list[str] = []
        highest = min((int(n) for n in _HEADINGS.findall(html)), default=1)
        self._lower_by = setting.top - highest
        self._ids = {unescape(i) for i in re.findall(r'\bid="([^"]*)"', html)}
        self.feed(html)
        self.close()
        self._flush()

    def result(self) -> str:
        return "".join(self._out)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._flush()
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self._open_link(given)
            return
        if tag == "img":
            self._image(given)
            return
        if tag in _QUIET:
            self._quiet += 1
        if "id" in given:
            given["id"] = self._setting.prefix + given["id"]
        self._out.append(_tag(self._shifted(tag), given))

    def handle_endtag(self, tag: str) -> None:
        self._flush()
        if tag == "a":
            self._links -= 1
            self._out.append(self._ends.pop() if self._ends else "")
            return
        if tag in _QUIET:
            self._quiet -= 1
        if tag not in _VOID:
            self._out.append(f"</{self._shifted(tag)}>")

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def handle_entityref(self, name: str) -> None:
        self._text.append(unescape(f"&{name};"))

    def handle_charref(self, name: str) -> None:
        self._text.append(unescape(f"&#{name};"))

    def _flush(self) -> None:
        text = "".join(self._text)
        self._text = []
        if not text:
            return
        if self._quiet or self._links:
            self._out.append(escape(text, quote=False))
            return
        at = 0
        for start, end, address, words in places_in(text, self._setting.forge):
            self._out.append(escape(text[at:start], quote=False))
            self._out.append(f'<a class="ref" href="{escape(address)}">{escape(words)}</a>')
            at = end
        self._out.append(escape(text[at:], quote=False))

    def _open_link(self, given: dict[str, str]) -> None:
        self._links += 1
        written = given.pop("href", "")
        if written.startswith("#") and unquote(written[1:]) in self._ids:
            address: str | None = f"#{self._setting.prefix}{unquote(written[1:])}"
        else:
            address = resolved(written, self._setting.forge)
        if address is None:
            self._ends.append("")  # the words stay
            return
        self._ends.append("</a>")
        kept = {name: value for name, value in given.items() if name in {"title", "class"}}
        self._out.append(_tag("a", {"href": address, **kept}))

    def _image(self, given: dict[str, str]) -> None:
        address = resolved(given.get("src", ""), self._setting.forge)
        words = " ".join(given.get("alt", "").split())[:200]
        if self._links or address is None or not address.startswith("http"):
            if words:
                self._out.append(f'<span class="image">{escape(words)}</span>')
            return
        words = words or unquote(urlsplit(address).path.rsplit("/", 1)[-1])[:80] or "image"
        self._out.append(f'<a class="image" href="{escape(address)}">{escape(words)}</a>')

    def _shifted(self, tag: str) -> str:
        if not _HEADING.fullmatch(tag):
            return tag
        return f"h{min(max(int(tag[1]) + self._lower_by, 2), 6)}"


def _tag(name: str, attributes: Mapping[str, str]) -> str:
    written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>"
