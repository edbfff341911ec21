"""What the server answers: a status, a few bytes, and headers that leave nothing open."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import jinja2


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `close`: the connection is not used again."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    close: bool = False


_FOLDER = resources.files("ventil.web").joinpath("templates")
_STYLE = _FOLDER.joinpath("status.css").read_text(encoding="utf-8")
_PAGE = jinja2.Environment(
    autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
).from_string(_FOLDER.joinpath("status.html").read_text(encoding="utf-8"))
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

SECURE = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "ventil",
}
"""Sent with every answer. The page's style is allowed by its hash, and nothing else is."""


def as_json(status: int, value: Any, *, close: bool = False, **headers: str) -> Reply:
    """A value as JSON. A header's name is written with _ for -."""
    body = json.dumps(value, ensure_ascii=False).encode() + b"\n"
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, body, headers=named, close=close)


def error(status: int, words: str, *, close: bool = False, **headers: str) -> Reply:
    """What is wrong, as JSON."""
    return as_json(status, {"error": words}, close=close, **headers)


def page(status: dict[str, Any]) -> Reply:
    """How things stand, as a page."""
    text = _PAGE.render(style=_STYLE, **status)
    return Reply(200, text.encode(), content_type="text/html; charset=utf-8")
