"""Replies of npm's download-counts API, read with distrust: bytes in, entries or troubles out.

What stands here was observed, not promised: the API's page (npm/registry,
docs/download-counts.md, read 2026-11) knows nothing of throttles, pages of HTML or clipped
answers. An unknown package is a 404 with `{"error":"package NAME not found"}` (recorded on
2024-09-01 in the README of client-zone/base). A number is taken from an answer that says
whose it is and which days it covers, and from no other.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final, TypeGuard
from urllib.parse import urlsplit

import msgspec

from ventil.core.exchange import Fault, Reply, Response, Verdict
from ventil.core.model import Interval
from ventil.core.outcome import judge_http

LARGEST_COUNT = 2**53 - 1
"""Above this a number is no longer exact in the readers of our JSON, and no count either."""


class Why(Enum):
    """What kind of trouble a reply is, which decides what to do about it."""

    THROTTLED = auto()  # slow down: about us
    REFUSED = auto()  # a 403: about the request, perhaps about us
    TOO_LONG = auto()  # the URL does not get through: about the batch
    SCOPED_IN_BULK = auto()  # a scoped name spoilt the batch
    BAD_REQUEST = auto()  # another 400: about the request, perhaps about one of its names
    NOT_FOUND = auto()  # a 404 with JSON: no such package, when one was asked about
    NOT_SERVED = auto()  # a 404 that is not npm's, a 405: this form of asking is not there
    DENIED = auto()  # any other definitive 4xx
    BROKE = auto()  # a 500: the provider broke, perhaps over one of the names
    UNWELL = auto()  # another 5xx, no whole answer: about the provider
    GARBLED = auto()  # an answer that is none: HTML, cut off, another shape


@dataclass(frozen=True, slots=True)
class Trouble:
    """A reply without numbers. `detail` is for a person, short, and holds no page."""

    why: Why
    detail: str


@dataclass(slots=True, unsafe_hash=True)
class Count:
    """A number, the days it covers, and its days one by one; none when only a sum is known."""

    value: Final[int]
    interval: Final[Interval]
    days: Final[Sequence[int]]


_SCAN_BYTES = 16 * 1024  # where a throttle page says so is near its top

# Cloudflare's own pages. 1015: rate limited. The others are bans of an address, network,
# country or client. Not among them is 1020, a firewall rule, which is about the request.
# developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors
_CODE = re.compile(
    rb"error(?:\s|<[^<>]{0,200}>|code|:){0,8}(10(?:05|06|07|08|09|10|12|15|27)|1106)\b", re.I
)
_SLOW_DOWN = re.compile(
    rb"being rate.?limited|rate.?limit(?:ed|s)?\s(?:was\s|has been\s)?(?:exceeded|reached)"
    rb"|too many requests|ip address has been banned",
    re.I,
)


def trouble_of(reply: Reply) -> Trouble | None:
    """What is wrong with *reply* whatever was asked; None when its body is to be read."""
    if isinstance(reply, Fault):
        return Trouble(Why.UNWELL, f"{reply.kind}: {plain(reply.detail)}")
    status, body = reply.status, reply.body
    if status == 200:
        return None
    # A recipe has no clock. At time 0 a Retry-After that is a date counts as a wait, and
    # only whether there is one matters here.
    verdict = judge_http(reply, 0.0).verdict
    code, slow_down = _throttle(body)
    if verdict is Verdict.THROTTLED or slow_down:
        named = f" (error {code})" if code else ""
        return Trouble(Why.THROTTLED, f"{status} throttled{named}")
    if status == 403:
        return Trouble(Why.REFUSED, "refused by the provider (403)")
    if verdict is Verdict.OVERLOADED:
        why = Why.BROKE if status == 500 else Why.UNWELL
        return Trouble(why, f"{status} from the provider")
    if status in (414, 431) or (status == 400 and b"Cookie Too Large" in body[:_SCAN_BYTES]):
        return Trouble(Why.TOO_LONG, f"the URL is too long for the provider ({status})")
    said = _error_text(_decode(body))
    if status == 404 and said is None:
        return Trouble(Why.NOT_SERVED, f"404 with {_form(body)}, which is not npm's answer")
    detail = f"{status}: {plain(said)}" if said else f"{status} from the provider"
    if status == 404:
        return Trouble(Why.NOT_FOUND, detail)
    if status in (400, 422):
        scoped = said is not None and "scoped packages are not" in said
        return Trouble(Why.SCOPED_IN_BULK if scoped else Why.BAD_REQUEST, detail)
    if status == 405:
        return Trouble(Why.NOT_SERVED, detail)
    if status < 400:
        return Trouble(Why.GARBLED, _elsewhere(status, reply.headers.get("location", "")))
    return Trouble(Why.DENIED, detail)


def is_answer(body: bytes) -> bool:
    """Whether the body of a 200 has the form of an answer.

    False means that `read` has to say; what is in the entries is not looked at.
    """
    answer = _decode(body)
    return (
        type(answer) is dict
        and type(answer.get("error")) is not str
        and (type(answer.get("start")) is not str or type(answer.get("package")) is str)
    )


def read(reply: Reply, keys: tuple[str, ...]) -> dict[str, Any] | Trouble:
    """The entries of a reply about *keys*, by key; or why there are none.

    An entry is still to be checked (`count_of`, `days_of`); it is None when the provider
    says that there is no such package. Keys it does not mention are missing here, and what
    was not asked about may be there: the caller looks up what it asked.
    """
    trouble = trouble_of(reply)
    if trouble is not None:
        named = trouble.why is Why.NOT_FOUND and len(keys) == 1
        if named and keys[0] in trouble.detail.split():
            return {keys[0]: None}
        return trouble
    body = reply.body if isinstance(reply, Response) else b""
    answer = _decode(body)
    # A keyed answer holds objects and nulls; a single one holds its own fields. A package
    # may be called "downloads" or "error", so their types tell, not the names.
    if type(answer) is not dict or type(answer.get("error")) is str:
        return _not_an_answer(body, answer)
    if type(answer.get("start")) is str or type(answer.get("downloads")) is int:
        package = answer.get("package")
        if package is None:
            return Trouble(
                Why.GARBLED, "an answer without a name: perhaps the registry's total"
            )
        if len(keys) == 1:
            return {keys[0]: answer}
        return {package: answer} if type(package) is str else {}
    return answer


def count_of(entry: Any, key: str) -> Count | str:
    """What an entry about *key* counts, or why it counts nothing.

    A `range` entry's number is the sum of its days; each day of the interval must be there.
    """
    interval = _covered(entry, key)
    if type(interval) is str:
        return interval
    assert isinstance(interval, Interval)  # noqa: S101 - for the type checker
    found = entry.get("downloads")
    if type(found) is list:
        days = _daily(found, interval, _day_names(entry["start"], entry["end"]))
        return days if isinstance(days, str) else Count(sum(days), interval, days)
    if not _is_count(found):
        return f"garbled answer: {_say(found)} is not a number of downloads"
    return Count(found, interval, ())


def _daily(found: list[Any], interval: Interval, expected: list[str]) -> Sequence[int] | str:
    """The counts of the interval's days in their order, or why they are not."""
    try:
        if [item["day"] for item in found] != expected:
            found = sorted(found, key=lambda item: str(item["day"]))
            if [item["day"] for item in found] != expected:
                return _other_days(len(found), interval)
        days = [item["downloads"] for item in found]
    except (TypeError, KeyError):
        return "garbled answer: not a list of days and their downloads"
    for count in days:
        if type(count) is not int or not 0 <= count <= LARGEST_COUNT:
            return f"garbled answer: {_say(count)} is not a day's downloads"
    return days


def _other_days(number: int, interval: Interval) -> str:
    if number != interval.days:
        return f"garbled answer: {number} days of the {interval.days} in {interval}"
    return f"garbled answer: other days than those of {interval}"


@lru_cache(maxsize=256)
def _day_names(start: str, end: str) -> list[str]:
    # By the texts, whose hashes are kept: that of an interval costs more than the rest.
    first, last = dt.date.fromisoformat(start), dt.date.fromisoformat(end)
    return [
        str(dt.date.fromordinal(day)) for day in range(first.toordinal(), last.toordinal() + 1)
    ]


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= LARGEST_COUNT


def days_of(entry: Any, key: str) -> dict[str, int] | str:
    """Downloads by day (as `YYYY-MM-DD`) of a `range` entry, or why it is not one."""
    interval = _covered(entry, key)
    if type(interval) is str:
        return interval
    days = entry.get("downloads")
    if type(days) is not list:
        return f"garbled answer: {_say(days)} is not a list of days"
    counts: dict[str, int] = {}
    for item in days:
        day, count = (item.get("day"), item.get("downloads")) if type(item) is dict else (0, 0)
        if type(day) is not str or not _is_count(count):
            return f"garbled answer: {_say(item)} is not a day's downloads"
        counts[day] = count
    return counts


def _covered(entry: Any, key: str) -> Interval | str:
    if type(entry) is not dict:
        return f"garbled answer: {_say(entry)} in place of the numbers"
    package = entry.get("package", key)  # in a keyed answer its key is a name, too
    if package != key:
        return f"an answer about another package: {_say(package)}"
    start, end = entry.get("start"), entry.get("end")
    if type(start) is str and type(end) is str:
        interval = _interval(start, end)
        if interval is not None:
            return interval
    return f"garbled answer: {_say(start)} to {_say(end)} is no interval"


@lru_cache(maxsize=256)
def _interval(start: str, end: str) -> Interval | None:
    # Cached: all answers of a run cover the same few intervals, and share one object.
    try:
        if len(start) == len(end) == 10:
            first, last = dt.date.fromisoformat(start), dt.date.fromisoformat(end)
            return Interval(first, last) if first <= last else None
    except ValueError:
        pass
    return None


def _decode(body: bytes) -> Any:
    """The JSON value, or `_NOT_JSON`; not to be changed.

    That of the latest body is kept: the judge and the recipe read one after the other.
    """
    global _latest
    if body is not _latest[0]:
        try:
            _latest = body, _JSON.decode(body)
        except (msgspec.DecodeError, RecursionError, ValueError):
            _latest = body, _NOT_JSON
    return _latest[1]


_NOT_JSON = object()
_JSON = msgspec.json.Decoder()
_latest: tuple[bytes, Any] = (b"", _NOT_JSON)


def _throttle(body: bytes) -> tuple[str, bool]:
    """The code of a throttle or ban page ("" when it names none), and whether it is one."""
    top = body[:_SCAN_BYTES]
    if found := _CODE.search(top):
        return found[1].decode(), True
    return "", _SLOW_DOWN.search(top) is not None


def _not_an_answer(body: bytes, decoded: Any) -> Trouble:
    code, slow_down = _throttle(body)
    if slow_down:
        page = f"error {code}" if code else _form(body)
        return Trouble(Why.THROTTLED, f"throttled: {page}, with status 200")
    if (said := _error_text(decoded)) is not None:
        return Trouble(Why.GARBLED, f"an error with status 200: {plain(said)}")
    return Trouble(Why.GARBLED, f"garbled answer: 200 with {_form(body)}")


def _form(body: bytes) -> str:
    """What a body is, in a word or two."""
    start = body[:512].lstrip().lower()
    if not start:
        return "an empty body"
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<")):
        return "a page of HTML"
    if start[:1] in b"{[":
        return "JSON that is cut off or broken" if _decode(body) is _NOT_JSON else "other JSON"
    return "no JSON" if _decode(body) is _NOT_JSON else "other JSON"


def _elsewhere(status: int, location: str) -> str:
    """A 2xx or 3xx that is no answer; of a redirect only the host, which holds no secret."""
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    to = f": redirects to {plain(host)}, which is not followed" if host else ""
    return f"unexpected status {status}{to}"


def _error_text(decoded: Any) -> str | None:
    error = decoded.get("error") if type(decoded) is dict else None
    return error if type(error) is str else None


def plain(text: str, limit: int = 120) -> str:
    """*text* on one line, printable, without markup, at most *limit* characters."""
    text = re.sub(r"<[^<>]*>?", " ", text[: 4 * limit])
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _say(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) > LARGEST_COUNT:
        return "a number beyond all bounds"  # repr refuses thousands of digits
    return plain(repr(value[:80] if isinstance(value, str) else value), 40)
