"""What a recipe asks for and what it gets back: requests, responses, faults, outcomes.

A recipe is a generator that yields a `Request` and is sent a `Reply`; it ends by
returning samples. It does no I/O, so it can be tested with recorded bytes and replayed
after a crash. The engine sends the request when the governor lets it, and a provider's
`judge` turns each reply into an `Outcome` for the governor.

What else a recipe may yield: `Known` samples, to be stored at once; `Recall`, for what was
kept of a record; `Work`, for what is better done to fetched bytes in another process; and
`Token` and `Await`, for an answer that comes hours after the request that ordered it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ventil.core.model import Kept, Sample


@dataclass(slots=True, unsafe_hash=True)
class Request:
    """One HTTP request, relative to the provider's base URL.

    `target` is path and query, already percent-encoded, starting with "/". `weight` is
    what it costs of the provider's quotas. `max_body_bytes` bounds the *decoded* body.
    A request that is not `idempotent` is never sent a second time.

    `provider` names the provider whose gate it passes; "" is the first of the job's.
    `origin` (`https://host`) takes the place of the provider's base URL; no credential
    goes there. None: the base URL. `part` is what of it may share a request with others
    of the same provider, known to the provider's `Combiner` alone; None: sent as it is.
    """

    target: Final[str]
    method: Final[str] = "GET"
    headers: Final[Mapping[str, str]] = field(default_factory=dict)
    body: Final[bytes | None] = None
    weight: Final[int] = 1
    max_body_bytes: Final[int] = 4 * 1024 * 1024
    idempotent: Final[bool] = True
    provider: Final[str] = ""
    origin: Final[str | None] = None
    part: Final[Any] = None


@dataclass(slots=True, unsafe_hash=True)
class Response:
    """An answer that arrived whole. `headers` has lower-case names; `body` is decoded."""

    status: Final[int]
    headers: Final[Mapping[str, str]]
    body: Final[bytes]


class FaultKind(StrEnum):
    """Why there is no whole answer."""

    CONNECT = "connect"  # refused, unreachable, reset before an answer
    DNS = "dns"
    TLS = "tls"
    TIMEOUT = "timeout"  # no answer, or not to its end, within the provider's timeout
    BROKEN = "broken"  # cut off in the middle, or not HTTP
    TOO_LARGE = "too-large"  # body over the request's bound, decoded or not
    ENCODING = "encoding"  # a content encoding that does not decode, or was not asked for


@dataclass(frozen=True, slots=True)
class Fault:
    """No whole answer: what went wrong, in words that hold no secret."""

    kind: FaultKind
    detail: str


Reply = Response | Fault


class Verdict(StrEnum):
    """What a reply means to the governor (not to the record).

    `LIVE`: a definitive answer, 2xx and the likes of 404: the provider is well.
    `THROTTLED`: the provider asks us to slow down, in whatever spelling.
    `OVERLOADED`: 5xx, no connection, timeout, a garbled body: it may be unwell.
    `REFUSED`: a 403 that may be about this request or about us; too many in a row are
    taken as a ban. `IGNORED`: we gave up on it ourselves; it says nothing.
    """

    LIVE = "live"
    THROTTLED = "throttled"
    OVERLOADED = "overloaded"
    REFUSED = "refused"
    IGNORED = "ignored"


ANSWERED: Final = frozenset({Verdict.LIVE, Verdict.THROTTLED, Verdict.REFUSED})
"""A request with one of these verdicts did arrive at the provider."""


@dataclass(frozen=True, slots=True)
class RateHint:
    """One rate-limit statement of a response's header fields.

    `limit`: requests allowed per window, `remaining`: how many are left, `reset_s`:
    seconds from now until the window resets, `window_s`: the window's length. Each is
    None when the provider does not say. `name` is the policy's name, "" when unnamed.
    """

    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None
    window_s: float | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A reply, judged for the governor.

    `retry_after_s`: seconds from now, >= 0, as the provider asked; None when it named no
    time (a wait of 0 or in the past counts as no time named). `hints`: parsed rate-limit
    fields. `detail`: why, for people ("429 without Retry-After").
    """

    verdict: Verdict
    retry_after_s: float | None = None
    hints: tuple[RateHint, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """Samples that a recipe already knows while it has more to ask.

    Yielded like a request; they are stored at once, and the recipe is sent None.
    """

    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Recall:
    """What was kept under *name* in the job's series? The recipe is sent a `Kept`, or None."""

    name: str


@dataclass(frozen=True, slots=True)
class Work:
    """Fetched bytes for a named task in an isolated process, under the task's limits.

    The recipe is sent `Done` or `WorkFailed`. The permit of the last request is held
    meanwhile: what waits to be worked on stays within what may be in flight.
    """

    task: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """What a task gave."""

    result: bytes


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """That a task broke one of its limits, or broke. `detail` is for people, on one line."""

    detail: str


@dataclass(frozen=True, slots=True)
class Token:
    """A task token for an order that is about to be made. The recipe is sent `Issued`."""


@dataclass(frozen=True, slots=True)
class Issued:
    """Where the provider may answer later, and what to call the order.

    `url`: a POST there answers the record; whoever has it can. It is known to nobody until a
    request goes out with it, is stored as a hash alone, and *differs* when the recipe is
    taken up again: nothing may depend on it but the order itself.
    `reference`: 32 hexadecimal digits, no secret, and the same when a kill makes us order
    once more: what a provider may take for an idempotency key. `number`: the how manyth
    order of this record in this run, from 0.
    """

    url: str
    reference: str
    number: int


@dataclass(frozen=True, slots=True)
class Called:
    """What the provider sent to the token's address, byte for byte, within the size bound."""

    body: bytes
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class TimeUp:
    """No answer came within the time, or a person has cancelled the wait; `detail` says."""

    detail: str


def has_come(reply: Reply) -> bool:
    """Whether a poll's reply is the answer: a plain 200; anything else is "not yet"."""
    return isinstance(reply, Response) and reply.status == 200


@dataclass(frozen=True, slots=True)
class Await:
    """The answer to the order made with *token*, which may take hours.

    The record waits in the state database and holds nothing: no permit, no slot, no chunk.
    The recipe is sent `Called`; or the reply to *poll* that *come* takes for the answer,
    asked for every `every_s` seconds (None: not at all); or `TimeUp` after `within_s`
    seconds. All of them count from when the order had been made.
    """

    token: Issued
    within_s: float
    poll: Request | None = None
    every_s: float = 60.0
    come: Callable[[Reply], bool] = has_come


Fetch = Generator[Request | Known, Reply | None, Sequence[Sample]]
"""A recipe at work: yields requests, is sent a reply for each, returns the (other) samples."""

Answered = Reply | Kept | Done | WorkFailed | Issued | Called | TimeUp | None
"""What the steps of a recipe are answered with."""

Steps = Generator[Request | Known | Recall | Work | Token | Await, Any, Sequence[Sample]]
"""Any recipe at work, also one that takes other steps than `Fetch` does."""
