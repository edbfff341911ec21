"""What header fields say about pace: Retry-After and the rate-limit spellings.

Text in, numbers out. Whatever a provider writes, nothing here raises: a field that cannot
be read says nothing. All times come out as seconds *from now*, so that nobody above has
to know which of the spellings was used.

Sources (read 2026-11-21):
- Retry-After: RFC 9110 section 10.2.3 (delta seconds or HTTP-date).
- RateLimit, RateLimit-Policy: draft-ietf-httpapi-ratelimit-headers-11 (structured fields,
  RFC 9651); drafts 07-08 (``limit=100, remaining=50, reset=5``) and the three fields
  RateLimit-Limit, -Remaining, -Reset of drafts 00-06 are still in the wild.
- X-RateLimit-*, X-Rate-Limit-*: never specified. Reset is epoch seconds (GitHub), epoch
  milliseconds, delta seconds, an ISO date or a duration such as ``6m0s``; windows may be
  part of the name (``x-ratelimit-limit-minute``) or a field (Crossref:
  ``x-rate-limit-interval: 1s``).
"""

from __future__ import annotations

import datetime as dt
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ventil.core.exchange import RateHint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_WAIT_S = 86_400.0
"""No Retry-After is believed beyond a day."""
LONGEST_RESET_S = 31 * 86_400.0
"""No window is believed to be longer than a month."""

_LONGEST_FIELD = 2_000  # characters; a longer field is garbage
_NUMBER = re.compile(r"\+?\d+(?:\.\d*)?")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WINDOW_WORD_S = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "month": 30 * 86400.0,
}
_EPOCH_FROM_S = 3e8  # a bare number above this (1979) is a moment, below it a delay
_EPOCH_FROM_MS = 3e11


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds from now that Retry-After asks to wait; None when it names no time.

    More than 0, at most `LONGEST_WAIT_S`. Zero, a negative number, a moment in the past
    and garbage name no time. A date is compared with the response's own Date field when
    there is one, so that a skewed clock on either side does not matter. Of several
    comma-joined numbers the largest counts.
    """
    text = headers.get("retry-after")
    if text is None or len(text) > _LONGEST_FIELD:
        return None
    wait_s = _delay_s(text, _reference_s(headers, now_s), bare_epoch=False)
    if wait_s is None and "," in text:
        parts = [_number(part) for part in text.split(",")]
        if all(part is not None for part in parts):
            wait_s = max(part for part in parts if part is not None)
    if wait_s is None or wait_s <= 0:
        return None
    return min(wait_s, LONGEST_WAIT_S)


def rate_hints(headers: Mapping[str, str], now_s: float) -> tuple[RateHint, ...]:
    """Every rate-limit statement of a response, in no particular order.

    `headers` has lower-case names. Empty when there is none that can be read.
    """
    text = "\n".join(headers)
    if "ratelimit" not in text and "rate-limit" not in text:  # nearly always
        return ()
    names = [name for name in headers if "ratelimit" in name or "rate-limit" in name]
    reference_s = _reference_s(headers, now_s)
    hints = list(_structured(headers))
    hints += _separate(
        {name: headers[name] for name in names if len(headers[name]) <= _LONGEST_FIELD},
        reference_s,
    )
    return tuple(hints)


def parse_http_date(text: str) -> float | None:
    """Seconds since the epoch of an HTTP-date (RFC 9110 section 5.6.7), or None."""
    if len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        return moment.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


def _reference_s(headers: Mapping[str, str], now_s: float) -> float:
    """The provider's idea of now, from its Date field; ours when it has none."""
    date = headers.get("date")
    if date is None:
        return now_s
    moment_s = parse_http_date(date)
    return now_s if moment_s is None else moment_s


def _number(text: str | None) -> float | None:
    """A plain number >= 0 (no sign, no exponent), or None."""
    if text is None:
        return None
    text = text.strip().strip('"')
    if len(text) > 400 or not text.isascii() or not _NUMBER.fullmatch(text):
        return None
    return float(text)


def _duration_s(text: str) -> float | None:
    """Seconds of ``1s``, ``6m0s``, ``250ms``; None when it is not a duration."""
    text = text.strip().lower()
    total_s, at = 0.0, 0
    for part in _DURATION_PART.finditer(text):
        if part.start() != at or len(text) > 64:
            return None
        total_s += float(part[1]) * _UNIT_S[part[2]]
        at = part.end()
    return total_s if at and at == len(text) else None


def _delay_s(text: str, reference_s: float, *, bare_epoch: bool) -> float | None:
    """Seconds from now of a number, a duration or a date. May be negative (the past)."""
    number = _number(text)
    if number is not None:
        if bare_epoch and number >= _EPOCH_FROM_MS:
            return number / 1000 - reference_s
        if bare_epoch and number >= _EPOCH_FROM_S:
            return number - reference_s
        return number
    duration_s = _duration_s(text)
    if duration_s is not None:
        return duration_s
    moment_s = parse_http_date(text)
    if moment_s is None and bare_epoch and len(text) <= 64:
        try:
            moment = dt.datetime.fromisoformat(text.strip())
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=dt.UTC)
            moment_s = moment.timestamp()
        except (ValueError, OverflowError):
            return None
    return None if moment_s is None else moment_s - reference_s


def _reset_s(delay_s: float | None) -> float | None:
    return None if delay_s is None else min(max(delay_s, 0.0), LONGEST_RESET_S)


# --- the three separate fields, and the vendors' ---------------------------------------

_FIELD_NAME = re.compile(
    r"(?:x-)?rate-?limit-(limit|remaining|reset-after|reset|interval|window|resource|quota)"
    r"(?:-([a-z0-9-]+))?"
)


def _separate(headers: Mapping[str, str], reference_s: float) -> Iterator[RateHint]:
    """Hints from one-number-a-field spellings, one for each qualifier in the names."""
    groups: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        found = _FIELD_NAME.fullmatch(name)
        if found:
            groups.setdefault(found[2] or "", {})[found[1]] = value
    for qualifier, fields in groups.items():
        limit_text = fields.get("limit") or fields.get("quota") or ""
        window_s = _window_s(fields.get("interval") or fields.get("window"))
        if window_s is None:
            window_s = _WINDOW_WORD_S.get(qualifier)
        # RateLimit-Limit of draft 03: "10, 10;w=1, 50;w=60" (the first is the active one).
        first = limit_text.split(",")[0].split(";")[0]
        limit = _number(first)
        if window_s is None and ";" in limit_text:
            window_s = _policy_window_s(limit_text, limit)
        remaining = _number((fields.get("remaining") or "").split(",")[0])
        if "reset-after" in fields:
            delay_s = _delay_s(fields["reset-after"], reference_s, bare_epoch=False)
        elif "reset" in fields:
            delay_s = _delay_s(fields["reset"], reference_s, bare_epoch=True)
        else:
            delay_s = None
        reset_s = _reset_s(delay_s)
        if limit is None and remaining is None:
            continue
        yield RateHint(
            limit=limit,
            remaining=remaining,
            reset_s=reset_s,
            window_s=window_s,
            name=fields.get("resource", qualifier)[:64],
        )


def _window_s(text: str | None) -> float | None:
    if text is None:
        return None
    number = _number(text)
    seconds = _duration_s(text) if number is None else number
    return seconds if seconds and seconds <= LONGEST_RESET_S else None


def _policy_window_s(text: str, limit: float | None) -> float | None:
    """The w parameter of the policy in a draft-03 RateLimit-Limit that equals `limit`."""
    for _key, item, params in _members(text):
        window_s = params.get("w")
        if item == limit and isinstance(window_s, float) and 0 < window_s <= LONGEST_RESET_S:
            return window_s
    return None


# --- structured fields -----------------------------------------------------------------

_Bare = str | float | bool
_Member = tuple[str | None, _Bare, dict[str, _Bare]]
_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_SF_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_SF_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,3})?")
_SF_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")
_SF_BYTES = re.compile(r":[A-Za-z0-9+/=]*:")


def _structured(headers: Mapping[str, str]) -> Iterator[RateHint]:
    """Hints of RateLimit and RateLimit-Policy, joined by policy name."""
    found: dict[str, dict[str, float | None]] = {}
    for key, item, params in _members(headers.get("ratelimit-policy", "")):
        if key is not None:
            continue
        # Drafts 04-08 write the quota itself as the item: 100;w=60.
        unnamed = isinstance(item, float)
        entry = found.setdefault("" if unnamed else str(item), {})
        entry.setdefault("limit", _positive(item if unnamed else params.get("q")))
        entry.setdefault("window", _positive(params.get("w")))
    old: dict[str, float | None] = {}
    for key, item, params in _members(headers.get("ratelimit", "")):
        if key is not None:
            old[key] = _positive(item)
            continue
        entry = found.setdefault(str(item), {})
        entry["remaining"] = _positive(params.get("r"))
        entry["reset"] = _positive(params.get("t"))
    if old:
        entry = found.setdefault("", {})
        entry["limit"] = entry.get("limit") or old.get("limit")
        entry["remaining"] = old.get("remaining")
        entry["reset"] = old.get("reset")
    for name, entry in found.items():
        limit, remaining = entry.get("limit"), entry.get("remaining")
        window_s = entry.get("window")
        if limit is None and remaining is None:
            continue
        yield RateHint(
            limit=limit,
            remaining=remaining,
            reset_s=_reset_s(entry.get("reset")),
            window_s=window_s if window_s and window_s <= LONGEST_RESET_S else None,
            name=name[:64],
        )


def _positive(value: _Bare | None) -> float | None:
    """A number >= 0, or None. (bool is no number here.)"""
    return value if isinstance(value, float) and value >= 0 else None


def _members(text: str) -> list[_Member]:
    """Members of a structured list or dictionary; empty when any part is malformed.

    RFC 9651 section 4.2: a field that fails to parse is ignored as a whole. Inner lists
    are not used by the rate-limit fields and count as malformed.
    """
    members: list[_Member] = []
    at = 0
    if not text or len(text) > _LONGEST_FIELD:
        return []
    while True:
        at = _skip(text, at)
        key: str | None = None
        found = _KEY.match(text, at)
        if found and text[found.end() : found.end() + 1] == "=":
            key, at = found[0], found.end() + 1
        item, at = _bare(text, at)
        if item is None:
            return []
        params: dict[str, _Bare] = {}
        while text[at : at + 1] == ";":
            at = _skip(text, at + 1)
            found = _KEY.match(text, at)
            if not found:
                return []
            name, at = found[0], found.end()
            if text[at : at + 1] == "=":
                value, at = _bare(text, at + 1)
                if value is None:
                    return []
                params[name] = value
            else:
                params[name] = True
        members.append((key, item, params))
        at = _skip(text, at)
        if at == len(text):
            return members
        if text[at] != ",":
            return []
        at += 1


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def _bare(text: str, at: int) -> tuple[_Bare | None, int]:
    """One bare item and where it ends; None when there is none."""
    head = text[at : at + 1]
    if head == '"':
        found = _SF_STRING.match(text, at)
        return (re.sub(r"\\(.)", r"\1", found[1]), found.end()) if found else (None, at)
    if head == "?":
        flag = text[at + 1 : at + 2]
        return (flag == "1", at + 2) if flag and flag in "01" else (None, at)
    if head == ":":
        found = _SF_BYTES.match(text, at)
        return (found[0], found.end()) if found else (None, at)
    found = _SF_NUMBER.match(text, at)
    if found:
        return float(found[0]), found.end()
    found = _SF_TOKEN.match(text, at)
    return (found[0], found.end()) if found else (None, at)
