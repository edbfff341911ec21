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


_TOO_LONG = "<p>The notes are long: they stand on the release's page.</p>"
_LONGEST = 60_000  # characters of an entry's notes; longer ones are told of by a link
_ID = re.compile(r"tag:[^,]{1,300},2026:(.+)", re.S)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A release in a feed.

    `subject` ends its id: the package URL, `@` and the release's slug, quoted. `link` is
    relative to the feed's folder, `html` already safe.
    """

    subject: str
    title: str
    date: date
    link: str
    html: str


def subject_of(purl: str, slug: str) -> str:
    """What a release's id ends in."""
    return f"{quote(purl, safe=':/@%')}@{quote(slug)}"


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
    listed = sorted(entries, key=lambda e: (e.date, e.subject), reverse=True)[:MOST_ENTRIES]
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
        _add(node, "id", f"tag:{host},2026:{entry.subject}")
        _add(node, "title", entry.title)
        _add(node, "updated", _midnight(entry.date))
        _link(node, "alternate", "text/html", here + entry.link)
        long = len(entry.html) > _LONGEST
        content = _add(node, "content", _TOO_LONG if long else entry.html)
        content.set("type", "html")
    text: bytes = ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def entries_in_feed(data: bytes, folder: str, base: str | None, most: int) -> list[FeedEntry]:
    """The newest entries of a package's feed that `atom` made, as the whole site's has them.

    Their links are relative to the site. Nothing is rendered anew. Raises ValueError when
    *data* is no feed of ours.
    """
    try:
        feed = ElementTree.fromstring(data)  # noqa: S314 - we wrote it
    except ElementTree.ParseError as error:
        raise ValueError(f"no feed of ours: {error}") from error
    here = f"{base}{quote(folder)}/" if base else ""
    entries = []
    for node in feed.findall(f"{{{_ATOM}}}entry")[:most]:
        told = {child.tag.rpartition("}")[2]: child for child in node}
        try:
            subject = _ID.fullmatch(told["id"].text or "")
            link = (told["link"].get("href") or "").removeprefix(here)
            day = date.fromisoformat((told["updated"].text or "")[:10])
            title, html = told["title"].text or "", told["content"].text or ""
        except KeyError as error:
            raise ValueError(f"no feed of ours: an entry has no {error}") from error
        if subject is None:
            raise ValueError("no feed of ours: an id is no tag")
        entries.append(FeedEntry(subject[1], title, day, f"{quote(folder)}/{link}", html))
    return entries


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _add(parent: ElementTree.Element, name: str, text: str) -> ElementTree.Element:
    node = ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}")
    node.text = _NO_XML.sub("\ufffd", text)
    return node


def _link(parent: ElementTree.Element, relation: str, kind: str, address: str) -> None:
    node = ElementTree.SubElement(parent, f"{{{_ATOM}}}link")
    node.attrib.update(rel=relation, type=kind, href=_NO_XML.sub("\ufffd", address))
