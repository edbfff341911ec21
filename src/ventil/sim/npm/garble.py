"""Good answers, spoilt: what proxies, outages and other people's bugs make of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec

from ventil.sim.npm import pages
from ventil.sim.npm.answer import Answer
from ventil.sim.npm.api import Asked
from ventil.sim.npm.scenario import Spoil

Entry = dict[str, Any]


def garble(how: Spoil, value: Any, asked: Asked) -> Answer:
    """A 200 whose body is *value* spoilt in the way of *how*."""
    fields: tuple[tuple[str, str], ...] = ()
    if how is Spoil.HTML:
        return Answer(200, pages.HTML, pages.NOT_THE_API)
    body = msgspec.json.encode(value)
    if how is Spoil.INVALID_JSON:
        body = body[: len(body) * 2 // 3]
    elif how is Spoil.EMPTY:
        body = b""
    elif how is Spoil.WRONG_SHAPE:
        body = b'[{"downloads":["many"]}]'
    elif how is Spoil.ENCODING:
        fields = (("Content-Encoding", "gzip"),)
    elif how is Spoil.MISSING:
        body = msgspec.json.encode(_missing(value, asked))
    else:
        body = msgspec.json.encode(_each(value, asked, _CHANGES[how]))
    return Answer(200, pages.JSON, body, fields)


def _each(value: Any, asked: Asked, change: Callable[[Entry], Entry]) -> Any:
    if not asked.keyed:
        return change(value)
    return {name: entry and change(entry) for name, entry in value.items()}


def _missing(value: Any, asked: Asked) -> Any:
    if not asked.keyed:
        return {key: part for key, part in value.items() if key != "downloads"}
    return {name: entry for i, (name, entry) in enumerate(value.items()) if i % 2 == 0}


def _numbers(entry: Entry, change: Callable[[int], Any]) -> Entry:
    downloads = entry["downloads"]
    if isinstance(downloads, list):
        spoilt: Any = [{**day, "downloads": change(day["downloads"])} for day in downloads]
    else:
        spoilt = change(downloads)
    return {**entry, "downloads": spoilt}


def _early(entry: Entry) -> Entry:
    day = dt.timedelta(days=1)
    return {
        **entry,
        "start": (dt.date.fromisoformat(entry["start"]) - day).isoformat(),
        "end": (dt.date.fromisoformat(entry["end"]) - day).isoformat(),
    }


_CHANGES: dict[Spoil, Callable[[Entry], Entry]] = {
    Spoil.STRINGS: lambda entry: _numbers(entry, str),
    Spoil.NEGATIVE: lambda entry: _numbers(entry, lambda n: -n - 1),
    Spoil.INTERVAL: _early,
    Spoil.OTHER_PACKAGE: lambda entry: {**entry, "package": "someone-else"},
}
