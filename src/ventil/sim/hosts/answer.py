"""What a simulated host answers, and what it was asked. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote


@dataclass(slots=True)
class Answer:
    """A whole answer. `delay_s` is how long it takes; `never` that it does not come."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    never: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: `path` is as on the wire, `parts` its pieces decoded; names are lower-case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Asked:
        """A request as it came."""
        path, _, query = target.partition("?")
        lower = {name.lower(): value for name, value in headers.items()}
        return cls(method, path, dict(parse_qsl(query, keep_blank_values=True)), lower, body)

    @property
    def parts(self) -> list[str]:
        """The pieces of the path, percent-decoded: an encoded slash is no separator."""
        return [unquote(piece) for piece in self.path.split("/") if piece]

    @property
    def agent(self) -> str:
        """The User-Agent."""
        return self.headers.get("user-agent", "")


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON answer; underscores in *headers* stand for hyphens."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    body = json.dumps(value, separators=(",", ":")).encode()
    return Answer(status, body, {"content-type": "application/json", **named})


def as_text(body: bytes | str, status: int = 200, kind: str = "text/plain") -> Answer:
    """A plain answer."""
    data = body.encode() if isinstance(body, str) else body
    return Answer(status, data, {"content-type": kind})


def conditional(asked: Asked, answer: Answer) -> Answer:
    """Give a 200 its ETag, or 304 to whoever has it already (RFC 9110 section 13.1.2)."""
    if answer.status != 200 or asked.method != "GET":
        return answer
    etag = f'W/"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    answer.headers["etag"] = etag
    known = asked.headers.get("if-none-match", "")
    if etag in [tag.strip() for tag in known.split(",")] or known == "*":
        kept = {n: v for n, v in answer.headers.items() if n != "content-type"}
        return Answer(304, b"", kept)
    return answer
