"""One search under way: what was asked and tried so far, and asking with redirects."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TypeVar

from ventil.changelog.finder.links import origin_and_target
from ventil.changelog.finder.model import (
    Ask,
    HostRelease,
    How,
    Manners,
    Package,
    Place,
    Result,
    Step,
)
from ventil.core.exchange import Fault, FaultKind, Reply, Response

T = TypeVar("T")
Asking = Generator[Ask, Reply, T]
"""A part of a search: yields asks, is sent replies, returns what it found."""

MOST_HOPS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ABSENT = frozenset({404, 409, 410, 422, 451})
"""Answers that say: not here. GitHub says 409 for an empty repository, 451 after a claim."""


@dataclass(frozen=True, slots=True)
class Text:
    """A changelog as a text; `path` is the file's, a hint for the parser."""

    data: bytes
    path: str
    place: Place
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class Notes:
    """A changelog as the releases of a code host."""

    releases: tuple[HostRelease, ...]
    place: Place
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class Same:
    """The remembered place answered that nothing has changed."""


Hit = Text | Notes


class Enough(Exception):
    """So many requests for one package are enough."""


class Trail:
    """What was tried for one package. `trouble`: something gave no usable answer."""

    def __init__(self, package: Package, manners: Manners) -> None:
        self.package = package
        self.manners = manners
        self.steps: list[Step] = []
        self.requests = 0
        self.trouble = False
        self._noted = 0
        self._moved: dict[str, str] = {}

    def note(self, how: How, place: str, result: Result, detail: str = "") -> None:
        """Add a step; the requests since the last one are its own."""
        if result is Result.FAILED:
            self.trouble = True
        spent = self.requests - self._noted
        self._noted = self.requests
        self.steps.append(Step(how, place, result, detail, spent))

    def ask(self, ask: Ask, base: str = "") -> Asking[Reply]:
        """Ask, following redirects; raises `Enough` instead of the request too many.

        *base* is what the targets about one repository begin with: once a repository has
        answered that it has moved, the next request about it goes to the new place at once.
        """
        moved = self._moved.get(f"{ask.provider} {base}") if base else None
        if moved is not None and ask.request.target.startswith(base):
            target = moved + ask.request.target[len(base) :]
            ask = replace(ask, request=replace(ask.request, target=target))
        for _ in range(MOST_HOPS):
            if self.requests >= self.manners.most_requests:
                raise Enough
            self.requests += 1
            reply = yield ask
            if not isinstance(reply, Response) or reply.status not in _REDIRECTS:
                return reply
            onward = self._onward(ask, reply, base)
            if onward is None:
                return Fault(FaultKind.BROKEN, f"{reply.status} without a place to go to")
            ask = onward
        return Fault(FaultKind.BROKEN, f"more than {MOST_HOPS} redirects")

    def _onward(self, ask: Ask, reply: Response, base: str) -> Ask | None:
        location = reply.headers.get("location", "")
        origin = ask.origin
        if location.startswith("/") and not location.startswith("//"):
            place = origin_and_target(f"https://host.example{location}")
        else:
            place = origin_and_target(location)
            if place is not None and ask.unpack is not None:
                origin = place[0]  # archives are handed on to other hosts; nothing else is
        if place is None:
            return None
        target, old = place[1], ask.request.target
        rest = old[len(base) :] if base and old.startswith(base) else None
        if rest is not None and rest and target.endswith(rest):
            self._moved[f"{ask.provider} {base}"] = target[: -len(rest)]
        headers = ask.request.headers
        return replace(
            ask, origin=origin, request=replace(ask.request, target=target, headers=headers)
        )

    def moved(self, provider: str, base: str) -> bool:
        """Whether a repository has answered that it is elsewhere now."""
        return f"{provider} {base}" in self._moved

    def refused(self, how: How, place: str, reply: Reply) -> None:
        """Note a reply that is no 200: absent, or a failure."""
        if isinstance(reply, Fault):
            if reply.kind is FaultKind.TOO_LARGE:
                self.note(how, place, Result.NOTHING, f"not read: {reply.detail}")
            else:
                self.note(how, place, Result.FAILED, f"{reply.kind}: {reply.detail}"[:200])
        elif reply.status in _ABSENT:
            self.note(how, place, Result.NOTHING, f"not there ({reply.status})")
        else:
            self.note(how, place, Result.FAILED, f"answered {reply.status}")


def body_of(reply: Reply) -> bytes | None:
    """The body of a 200; None for all else."""
    return reply.body if isinstance(reply, Response) and reply.status == 200 else None


def is_absent(reply: Reply) -> bool:
    """Whether the reply says that there is no such thing."""
    return isinstance(reply, Response) and reply.status in _ABSENT


def validators_of(reply: Reply) -> tuple[str | None, str | None]:
    """ETag and Last-Modified, as they are to be sent back; None where there is none."""
    if not isinstance(reply, Response):
        return None, None
    found = [reply.headers.get(name) for name in ("etag", "last-modified")]
    kept = [v if v and len(v) <= 300 and v.isprintable() else None for v in found]
    return kept[0], kept[1]


def conditions(etag: str | None, modified: str | None) -> dict[str, str]:
    """The fields of a conditional request (RFC 9110 section 13.1)."""
    if etag is not None and not etag.startswith("oid:"):
        return {"If-None-Match": etag}
    if modified is not None:
        return {"If-Modified-Since": modified}
    return {}
