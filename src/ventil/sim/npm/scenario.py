"""What a simulated provider does: quotas, bans and misbehaviour, as frozen values.

A `Scenario` holds quotas (counted on arrival), a ban, a cap of requests in flight,
latency, and any number of behaviours. Each behaviour says *when* it acts (`When`) and
what it does. Of the behaviours that answer in the API's place (`Refuse`, `Fail`, `Hang`,
`Reset`, `Redirect`, `Endless`, `Huge`, `Bomb`) the first that applies wins; those that
change the data (`Unknown`, `Zero`) all act; of those that spoil the answer (`Garble`) and
its delivery (`Delay`, `Slow`, `Truncate`) the first of each kind acts.

Seconds are seconds of the server's clock. Request numbers count API requests from 1.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from ventil.errors import SettingError


class RetryAfter(StrEnum):
    """How a refusal names the time to come back; NONE leaves the field out."""

    NONE = "none"
    SECONDS = "seconds"
    DATE = "date"
    ZERO = "zero"  # "0", observed at npm's search in 2026


class Fields(StrEnum):
    """Spelling of rate-limit header fields; NONE sends none."""

    NONE = "none"
    IETF = "ietf"  # RateLimit and RateLimit-Policy, structured (draft 8 and later)
    IETF_OLD = "ietf-old"  # RateLimit-Limit, -Remaining, -Reset in seconds (to draft 6)
    X_SECONDS = "x-seconds"  # X-RateLimit-*, reset in seconds from now
    X_EPOCH = "x-epoch"  # X-RateLimit-*, reset in seconds since the epoch


class Page(StrEnum):
    """The body of a 429: Cloudflare's text or its HTML, or JSON as an API might send."""

    TEXT = "text"
    HTML = "html"
    JSON = "json"


class Counting(StrEnum):
    """How a quota counts."""

    SLIDING = "sliding"  # a log of arrivals: at most `limit` in any `window_s`
    BUCKET = "bucket"  # tokens: `limit` per `window_s` flow in, `burst` is the capacity
    FIXED = "fixed"  # a counter that starts anew at multiples of `window_s`


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """At most `limit` requests per `window_s` seconds, in one of three ways of counting.

    `burst` is the capacity of a bucket, None means `limit`. With `strict` a refused
    arrival counts too, so that hammering never gets through (not for fixed windows, where
    it makes no difference). `enforced=False` only counts violations for the report.
    """

    limit: int
    window_s: float
    counting: Counting = Counting.SLIDING
    burst: int | None = None
    strict: bool = True
    enforced: bool = True
    retry_after: RetryAfter = RetryAfter.NONE
    fields: Fields = Fields.NONE
    page: Page = Page.TEXT

    def __post_init__(self) -> None:
        _at_least("quota limit", self.limit, 1)
        _above("quota window_s", self.window_s, 0)
        if self.burst is not None:
            _at_least("quota burst", self.burst, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """For `seconds` every request is answered 429.

    It starts when a quota is exceeded, and also at request number `at` when that is given.
    At most `times` bans, None for no end. With `extends` each request during it starts
    the time anew.
    """

    seconds: float
    at: int | None = None
    times: int | None = None
    extends: bool = False
    page: Page = Page.TEXT
    retry_after: RetryAfter = RetryAfter.NONE

    def __post_init__(self) -> None:
        _above("ban seconds", self.seconds, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When a behaviour acts; all that is given must hold.

    `names`: the request asks for one of these (for all of them in one URL when
    `together`); empty for every request. `after`: not for the first so many requests;
    `count` ("for" in a file): only for so many requests after those. `from_s`,
    `until_s`: seconds since the start or the last reset. `chance`: this share of the
    requests, by seed and request number. `times`: at most so often in all.
    """

    names: tuple[str, ...] = ()
    together: bool = False
    after: int = 0
    count: int | None = None
    from_s: float = 0.0
    until_s: float | None = None
    chance: float = 1.0
    times: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.chance <= 1.0:
            raise SettingError(f"chance is {self.chance}: must be from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(When):
    """403 with Cloudflare's HTML, each time the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail(When):
    """`status` (a 5xx, say) with a short HTML body."""

    status: int = 500
    retry_after: str = ""  # sent as it stands when not empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang(When):
    """Take the request and do not answer; after `seconds` close, None waits for ever."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(When):
    """Reset the connection (RST) when the request has arrived.

    With `at_accept` as soon as it is open: no request is read, `names` mean nothing, and
    `after`, `count` and `chance` go by connection numbers.
    """

    at_accept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(When):
    """Send the client to `to`, by default a private address."""

    to: str = "http://10.0.0.1/"
    status: int = 302


@dataclass(frozen=True, slots=True, kw_only=True)
class Endless(When):
    """200 and a JSON body in chunks that never ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Huge(When):
    """200 and a body of `size` bytes, announced truthfully."""

    size: int = 10_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bomb(When):
    """200, gzip, about a thousandth of `size`, which it decodes to."""

    size: int = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(When):
    """`names` are not known (to the requests the other conditions choose)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zero(When):
    """Counts that have not settled: 0 for `names` (every name when empty).

    Only on the newest `last_days` available days and on `days`; on every day when both
    are left out.
    """

    last_days: int = 0
    days: tuple[dt.date, ...] = ()


class Spoil(StrEnum):
    """Ways to spoil a good answer, still sent as 200."""

    HTML = "html"  # an HTML page instead
    INVALID_JSON = "invalid-json"  # cut in the middle, Content-Length to match
    EMPTY = "empty"  # no body
    WRONG_SHAPE = "wrong-shape"  # JSON of another shape
    STRINGS = "strings"  # the numbers as strings
    NEGATIVE = "negative"  # the numbers below zero
    INTERVAL = "interval"  # `start` and `end` a day early
    OTHER_PACKAGE = "other-package"  # the entries belong to another name
    MISSING = "missing"  # every second key of a bulk answer left out
    ENCODING = "encoding"  # says gzip, is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Garble(When):
    """Spoil the body of what would have been a good answer."""

    how: Spoil = Spoil.HTML


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(When):
    """Answer `seconds` later than the scenario's latency."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow(When):
    """Send the body `piece` bytes at a time with `pause_s` between them."""

    piece: int = 16
    pause_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate(When):
    """Announce the whole body, send only `share` of it, and close."""

    share: float = 0.5


Behaviour = (
    Refuse
    | Fail
    | Hang
    | Reset
    | Redirect
    | Endless
    | Huge
    | Bomb
    | Unknown
    | Zero
    | Garble
    | Delay
    | Slow
    | Truncate
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All that a simulated provider does besides answering.

    `max_in_flight`: more at once are answered `in_flight_status`. `latency_s`: of every
    answer; with `latency_sigma` above 0 it is the median of a lognormal, by seed.
    `lag_days`: how many days before today the newest day with data is. `gzip`: compress
    answers when the client accepts it. `max_target_bytes`: a longer path and query is
    refused as npm's edge does.
    """

    name: str = "calm"
    quotas: tuple[Quota, ...] = ()
    ban: Ban | None = None
    max_in_flight: int | None = None
    in_flight_status: int = 429
    latency_s: float = 0.0
    latency_sigma: float = 0.0
    lag_days: int = 1
    gzip: bool = False
    max_target_bytes: int = 8_000
    behaviours: tuple[Behaviour, ...] = ()

    def __post_init__(self) -> None:
        if self.max_in_flight is not None:
            _at_least("max_in_flight", self.max_in_flight, 1)
        _at_least("lag_days", self.lag_days, 0)
        _at_least("latency_s", self.latency_s, 0)
        _at_least("latency_sigma", self.latency_sigma, 0)


def _at_least(what: str, value: float, least: float) -> None:
    if value < least:
        raise SettingError(f"{what} is {value}: must be at least {least}")


def _above(what: str, value: float, bound: float) -> None:
    if value <= bound:
        raise SettingError(f"{what} is {value}: must be above {bound}")
