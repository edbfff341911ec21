"""What the lab asks of a client: one rule for when the next request may go.

The lab owns the records, the retries and the clock; a client only decides. It is driven
with explicit virtual times and never looks at one itself::

    until_s = client.ask(now_s, pending, retry, record)
    until_s <= now_s     go now; the lab sends and calls client.sent(now_s) at once
    until_s  > now_s     ask again then
    until_s is inf       ask again after the next completion

After every completion the lab calls `completed(now_s, flight)` and then asks again until
it is refused. A failed record comes back to the same queue by itself (see `race`).
"""

from __future__ import annotations

import math
from typing import Protocol

from ventil.sim.lab.provider import OK, Flight

FOREVER = math.inf


class Client(Protocol):
    """A rule for when to send. One instance serves one worker for one experiment.

    `separates_retries`: when a retry is refused, ask for a fresh record too (the client
    keeps a budget for retries).
    """

    separates_retries: bool

    def ask(self, now_s: float, pending: int, retry: bool, record: int) -> float:
        """When `record` may go; `pending` records, it included, are unsent or to be retried."""
        ...

    def sent(self, now_s: float) -> object:
        """The lab has sent what it asked for; the return value becomes `flight.ticket`."""
        ...

    def completed(self, now_s: float, flight: Flight) -> None:
        """An answer, a refusal or a timeout (`flight.status`)."""
        ...

    def gauge(self, now_s: float) -> tuple[float, str]:
        """For pictures: the present limit (nan when there is none) and a state in a word."""
        ...


class Baseline:
    """What the comparison clients share: a count of requests under way and a limit."""

    separates_retries = False

    def __init__(self, limit: float = 1.0) -> None:
        self.in_flight = 0
        self.limit = limit

    def ask(self, now_s: float, pending: int, retry: bool, record: int) -> float:
        """Go while fewer than `limit` (at least one) are under way."""
        return now_s if self.in_flight < self.limit or self.in_flight == 0 else FOREVER

    def sent(self, now_s: float) -> object:
        """Count it."""
        self.in_flight += 1
        return None

    def completed(self, now_s: float, flight: Flight) -> None:
        """Count it out, then learn from it."""
        self.in_flight -= 1
        self.learn(now_s, flight, flight.status == OK)

    def learn(self, now_s: float, flight: Flight, ok: bool) -> None:
        """What a subclass makes of one completion; nothing by default."""

    def gauge(self, now_s: float) -> tuple[float, str]:
        """The limit; these clients have no further state."""
        return self.limit, ""
