"""Atom feeds (RFC 4287) of releases.

Only releases with a written date are in a feed: an entry must say when it was, and we do not
invent it. A date is given as the midnight (UTC) that it begins with. Ids are tag URIs
(RFC 4151) that stay the same whenever and wherever the site is made anew, as long as its
address does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

MOST_ENTRIES = 30
_ATOM = "http://www.w3.org/2005/Atom"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A release in a feed: `link` relative to the feed, `html` already safe."""

    purl: str
    version: str
    slug: str
    title: str
    date: date
    link: str
    html: str


def atom(
    title: str,
    subject: str,
    entries: Iterable[FeedEntry],
    *,
    folder: str,
    name: str,
    base: str | None,
    author: str = "its maintainers",
) -> bytes | None:
    """The feed *name* in *folder* of the site; None when it would have no entry.

    *subject* is what the feed is about, for its id: a package URL, or "recent". *base* is the
    site's address with a slash at the end, None when it is not known: links are relative then.
    """
    listed = sorted(entries, key=lambda e: (e.date, e.version), reverse=True)[:MOST_ENTRIES]
    if not listed:
        return None
    host = (urlsplit(base).hostname if base else None) or "localhost"
    here = f"{base}{quote(folder)}/" if base and folder else base or ""
    ElementTree.register_namespace("", _ATOM)
    feed = ElementTree.Element(f"{{{_ATOM}}}feed")
    _add(feed, "id", f"tag:{host},2026:{quote(subject, safe=':/@%')}")
    _add(feed, "title", title)
    _add(feed, "updated", _midnight(listed[0].date))
    _add(ElementTree.SubElement(feed, f"{{{_ATOM}}}author"), "name", author)
    _link(feed, "self", "application/atom+xml", here + name)
    _link(feed, "alternate", "text/html", here + "index.html")
    for entry in listed:
        node = ElementTree.SubElement(feed, f"{{{_ATOM}}}entry")
        _add(
            node, "id", f"tag:{host},2026:{quote(entry.purl, safe=':/@%')}@{quote(entry.slug)}"
        )
        _add(node, "title", entry.title)
        _add(node, "updated", _midnight(entry.date))
        _link(node, "alternate", "text/html", here + entry.link)
        content = _add(node, "content", entry.html)
        content.set("type", "html")
    text: bytes = ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _add(parent: ElementTree.Element, name: str, text: str) -> ElementTree.Element:
    node = ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}")
    node.text = _NO_XML.sub("\ufffd", text)
    return node


def _link(parent: ElementTree.Element, relation: str, kind: str, address: str) -> None:
    node = ElementTree.SubElement(parent, f"{{{_ATOM}}}link")
    node.attrib.update(rel=relation, type=kind, href=_NO_XML.sub("\ufffd", address))
