"""The API itself, as it answers in 2026: a path in, status and JSON out. Pure.

Sources: the documentation at github.com/npm/registry docs/download-counts.md and what
clients observed (docs of this project, facts on npm). Where the exact text of an error was
not found recorded, the comment says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ventil.sim.npm import days
from ventil.sim.npm.counts import Counts
from ventil.sim.npm.days import Span

MAX_NAMES = 128


@dataclass(frozen=True, slots=True)
class Asked:
    """What a path asks for.

    `kind` is "point" or "range", "" when the path is none of the API's. `names` is empty
    for the whole registry. `keyed` asks for the bulk shape.
    """

    kind: str
    period: str
    names: tuple[str, ...]
    keyed: bool


def parse(target: str) -> Asked:
    """Take a request target apart, as lenient as the server is.

    Percent-encoding is undone first and dot segments are then removed, so
    `/downloads/point/last-week/@scope/..` asks for the whole registry.
    """
    path = target.partition("?")[0]
    if "%" in path:
        path = unquote(path, errors="replace")
    if "/." in path:
        path = _collapse(path)
    parts = path.split("/", 4)
    if len(parts) < 4 or parts[0] or parts[1] != "downloads":
        return Asked("", "", (), False)
    kind, period = parts[2], parts[3]
    if kind not in ("point", "range"):
        return Asked("", "", (), False)
    wanted = parts[4] if len(parts) == 5 else ""
    if "," in wanted:
        names = wanted.split(",")
        if not names[-1]:
            names.pop()  # the trailing comma that forces the keyed shape
        return Asked(kind, period, tuple(dict.fromkeys(names)), True)
    wanted = wanted.rstrip("/")
    if not wanted or (wanted[0] == "@" and "/" not in wanted):
        return Asked(kind, period, (), False)  # no package, or a scope that lost its name
    return Asked(kind, period, (wanted,), False)


def _collapse(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


@dataclass(frozen=True, slots=True)
class View:
    """What the API knows at one moment.

    `last_day` is the newest day with data (an ordinal). `unknown` and `zero` hide what the
    counts hold: names not known to this request, and days that read 0 for a name.
    """

    counts: Counts
    last_day: int
    unknown: Callable[[str], bool] | None = None
    zero: Callable[[str, int], bool] | None = None

    def between(self, name: str | None, first: int, last: int) -> int | None:
        """Downloads of *name* (None: the whole registry) in the days given, or None."""
        if name is not None and self.unknown is not None and self.unknown(name):
            return None
        last = min(last, self.last_day)  # today, and every day to come, reads 0
        count = self.counts.between(name, first, last)
        zero = self.zero
        if count is None or name is None or zero is None:
            return count
        for day in range(first, last + 1):
            if zero(name, day):
                count -= self.counts.between(name, day, day) or 0
        return count


def answer(asked: Asked, view: View) -> tuple[int, Any]:
    """Status and JSON value for *asked*."""
    if not asked.kind:
        return 404, {"error": "not found"}  # text not found recorded
    try:
        span = days.resolve(asked.period, view.last_day)
    except days.BadPeriod as error:
        return 400, {"error": str(error)}
    if asked.keyed:
        return _bulk(asked, span, view)
    if span.days > days.MAX_DAYS_SINGLE:
        span = Span(span.last - days.MAX_DAYS_SINGLE + 1, span.last)  # and not a word of it
    name = asked.names[0] if asked.names else None
    entry = _entry(asked.kind, name, span, view)
    if entry is None:
        return 404, {"error": f"package {name} not found"}
    return 200, entry


def _bulk(asked: Asked, span: Span, view: View) -> tuple[int, Any]:
    if len(asked.names) > MAX_NAMES:
        # 256 names were seen to get a 400; its text not found recorded
        return 400, {"error": f"exceeded max packages of {MAX_NAMES} for bulk query"}
    if any(name[:1] == "@" for name in asked.names):
        return 400, {"error": "scoped packages are not currently supported in bulk lookups"}
    if span.days > days.MAX_DAYS_BULK:
        return 400, {"error": f"exceeded max days of {days.MAX_DAYS_BULK} for bulk query"}
    return 200, {name: _entry(asked.kind, name, span, view) for name in asked.names}


def _entry(kind: str, name: str | None, span: Span, view: View) -> dict[str, Any] | None:
    first, last = span.first, span.last
    total = view.between(name, first, last)
    if total is None:
        return None
    entry: dict[str, Any] = {"start": days.iso(first), "end": days.iso(last)}
    if name is not None:
        entry["package"] = name
    if kind == "point":
        return {"downloads": total, **entry}
    entry["downloads"] = [
        {"downloads": view.between(name, day, day) or 0, "day": days.iso(day)}
        for day in range(first, last + 1)
    ]
    return entry
