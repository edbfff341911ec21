"""Records that wait for an answer that comes later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ventil.core.exchange import Called

MOST_AHEAD = 20
"""Chunks of a run, made to look at records that wait, that are unfinished at one time.

However many answers come at one moment, so much of them is taken up, and the rest waits as
the rows that it is.
"""


class Callback(StrEnum):
    """What became of a call to a token's address."""

    TAKEN = "taken"
    REPEATED = "repeated"  # it was answered before; nothing has changed
    OVER = "over"  # nobody waits for it any more: expired, cancelled, or failed for good
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Wait:
    """What a record waits for: its order, not after `until_s`; whether it was cancelled.

    `look_s` is when it is to be looked at again, whether or not an answer has come.
    """

    key: str
    number: int
    until_s: float
    look_s: float
    cancelled: bool


@dataclass(frozen=True, slots=True)
class Crowd:
    """The records of a run that wait for a later answer.

    `until_s`: when the last of them gives up, None when nobody waits. `alone`: nothing
    else of the run is left to do.
    """

    count: int
    until_s: float | None
    alone: bool


class WaitingRoom(Protocol):
    """Records that wait for an answer hours after they ordered it, and their task tokens.

    A token is known by its digest alone. Every method is one transaction.
    """

    def next_order(self, run_id: str, key: str) -> int:
        """The number of the order that a look at a record begins with."""
        ...

    def issue(self, run_id: str, key: str, number: int, digest: bytes) -> None:
        """A token for an order; an order may have several, of which one is answered."""
        ...

    def answer(self, run_id: str, key: str, number: int) -> Called | None:
        """What an order was answered with; None while it was not."""
        ...

    def wait(self, run_id: str, key: str) -> Wait | None:
        """What a record waits for; None when it does not."""
        ...

    def park(self, run_id: str, wait: Wait) -> bool:
        """Let a record wait; False, and no change, when it is answered or cancelled."""
        ...

    def elsewhere(self, run_id: str, index: int, keys: Sequence[str]) -> set[str]:
        """Those of a chunk's *keys* that wait, or are taken up by another chunk."""
        ...

    def settle(self, run_id: str, index: int, keys: Sequence[str]) -> None:
        """Those of a chunk's *keys* that do not wait are done with; so are their tokens."""
        ...

    def wake(
        self, run_id: str, now_s: float, *, most: int, ahead: int = MOST_AHEAD
    ) -> int | None:
        """Put up to *most* records that are to be looked at into a new chunk; its index.

        None when there is none, or when *ahead* such chunks are not finished.
        """
        ...

    def crowd(self, run_id: str) -> Crowd:
        """Who waits."""
        ...
