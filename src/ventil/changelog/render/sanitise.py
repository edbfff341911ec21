"""The gate that everything fetched passes on its way into a page.

What may stay is listed; all else goes: scripts, styles, forms, frames, media, handlers,
identifiers, classes. Links lead to http, https or mailto, never carry the reader's rights or
a recommendation, and there are no images: a page makes no request to anybody else's server.

nh3 (ammonia) parses as a browser does (html5ever), so that what it lets pass means to the
browser what it meant to it. What stands here is the whole policy; the page's
Content-Security-Policy is a second wall, not the first.
"""

from __future__ import annotations

import re
from html import escape

import nh3

_TAGS = set(
    "a abbr b blockquote br caption cite code dd del details dfn div dl dt em h1 h2 h3 h4 h5 h6"
    " hr i ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td"
    " tfoot th thead tr tt u ul var wbr".split()
)
_GONE_WHOLE = set(
    "script style template noscript noembed noframes iframe object embed applet svg math"
    " select option textarea title xmp plaintext frameset audio video canvas".split()
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "li": {"value"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
_RAW_ATTRIBUTES = {**_ATTRIBUTES, "img": {"src", "alt"}, "*": {"id"}}
_CLASSES = {
    "a": {"image", "ref"},
    "span": {"image"},
    "div": {"note"},
    "p": {"note-title", "field"},
    "pre": {"as-written"},
}
_SCHEMES = {"http", "https", "mailto"}
_NUMBERS = re.compile(r"[0-9]{1,4}")
_NUMERIC = {"value", "start", "colspan", "rowspan"}
_MOST_SPAN = 100
_READINGS = 6

REL = "nofollow noopener noreferrer ugc"
"""What every link to elsewhere carries: no rights, no referrer, no recommendation."""


def _checked(tag: str, attribute: str, value: str) -> str | None:
    if attribute in _NUMERIC:
        if not _NUMBERS.fullmatch(value):
            return None
        return str(min(int(value), _MOST_SPAN)) if attribute.endswith("span") else value
    if attribute == "scope":
        return value if value in {"col", "row", "colgroup", "rowgroup"} else None
    if attribute == "id":
        return value if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}", value) else None
    if attribute in {"href", "src"}:
        return value if len(value) <= 4_000 else None
    return value[:1_000]


_RAW = nh3.Cleaner(
    tags=_TAGS | {"img", "center", "font", "strike"},
    clean_content_tags=_GONE_WHOLE,
    attributes=_RAW_ATTRIBUTES,
    attribute_filter=_checked,
    link_rel=None,
    url_schemes=_SCHEMES,
    allowed_classes=_CLASSES,
)
_FINAL = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=_GONE_WHOLE,
    attributes={**_ATTRIBUTES, "*": {"id"}},
    attribute_filter=_checked,
    link_rel=REL,
    url_schemes=_SCHEMES,
    allowed_classes=_CLASSES,
)


def tidy(html: str) -> str:
    """Well-formed, safe HTML, in which images, ids and relative links are still as written."""
    return _RAW.clean(html)


def sanitised(html: str) -> str:
    """Safe HTML: what may stand in a page. `sanitised(sanitised(x)) == sanitised(x)`.

    Misnested tags (a link in a table in a link) are read differently the second time, by
    browsers too, which is what mutation attacks live on: the result is read again until
    it stands still, and is shown as text if it never does.
    """
    for _ in range(_READINGS):
        again = _FINAL.clean(html)
        if again == html:
            return html
        html = again
    return f"<pre><code>{escape(html, quote=False)}</code></pre>"
