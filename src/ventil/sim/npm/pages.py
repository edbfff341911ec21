"""Bodies that come from the edge in front of the API, not from the API.

Shaped after what people quote (a 429 in HTML or the text `error code: 1015`, both without
CORS fields; a firewall's 403; nginx's 400): github.com/nice-registry/download-counts/pull/8
and the sources of the facts on npm in the documentation.
"""

from __future__ import annotations

from ventil.sim.npm.scenario import Page

HTML = "text/html; charset=UTF-8"
TEXT = "text/plain; charset=UTF-8"
JSON = "application/json; charset=utf-8"


def _html(title: str, text: str) -> bytes:
    return (
        f'<!DOCTYPE html>\n<html lang="en-US">\n<head><title>{title}</title></head>\n'
        f"<body><h1>{title}</h1>\n<p>{text}</p>\n<hr><center>cloudflare</center></body>\n"
        "</html>\n"
    ).encode()


BLOCKED = _html(
    "Attention Required! | Cloudflare",
    "Sorry, you have been blocked. This website is using a security service to protect "
    "itself from online attacks.",
)
LONG_URL = _html("400 Request Header Or Cookie Too Large", "Request Header Or Cookie Too Large")
MOVED = _html("302 Found", "The document has moved.")
NOT_THE_API = _html("Welcome", "This page is not what a client of an API expects.")

_LIMITED = {
    Page.TEXT: (TEXT, b"error code: 1015"),
    Page.HTML: (HTML, _html("Access denied | Cloudflare", "You are being rate limited. 1015")),
    Page.JSON: (JSON, b'{"error":"too many requests"}'),
}


def limited(page: Page) -> tuple[str, bytes]:
    """Content type and body of a 429."""
    return _LIMITED[page]


def failed(status: int) -> bytes:
    """The body of a 5xx."""
    return _html(f"{status} Server Error", "The server could not answer. Try again later.")
