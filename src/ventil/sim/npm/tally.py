"""What the simulator counted by itself: the judge of a client's behaviour."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ventil.errors import OutputError


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """One declared quota. `refused` by its own way of counting.

    `violations`: arrivals above the limit in any sliding window (for a bucket: arrivals
    that found no token), refused or not; `worst_excess`: how far above, in requests.
    """

    counting: str
    limit: int
    window_s: float
    refused: int
    violations: int
    worst_excess: float


@dataclass(frozen=True, slots=True)
class Report:
    """Counted since the start or the last reset; control requests are left out.

    `by_status` has "none" for answers that never came. `by_behaviour` counts what acted.
    `aborted`: the client left before the answer's end. `names`: how often each name was
    asked for; `answered`: how often it was in an answer of the API that arrived whole and
    unspoilt (unknown names included). `lasted_s`: from the first to the last arrival.
    """

    requests: int
    by_status: dict[str, int]
    by_behaviour: dict[str, int]
    aborted: int
    max_in_flight: int
    bans: int
    during_ban: int
    quotas: tuple[QuotaReport, ...]
    lasted_s: float
    connections: int
    user_agents: dict[str, int]
    names: dict[str, int]
    answered: dict[str, int]

    @property
    def violations(self) -> int:
        """Violations of all declared quotas together."""
        return sum(quota.violations for quota in self.quotas)

    @property
    def throttled(self) -> int:
        """Requests answered 429."""
        return self.by_status.get("429", 0)


@dataclass(slots=True)
class Tally:
    """The running count behind a `Report`."""

    requests: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_behaviour: Counter[str] = field(default_factory=Counter)
    aborted: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    connections: int = 0
    user_agents: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)

    def arrive(self, now_s: float, names: Sequence[str]) -> int:
        """Count a request; its number, from 1."""
        if not self.requests:
            self.first_s = now_s
        self.last_s = now_s
        self.requests += 1
        self.in_flight += 1
        if self.in_flight > self.max_in_flight:
            self.max_in_flight = self.in_flight
        self.names.update(names)
        return self.requests

    def settle(self, status: int, behaviour: str, names: Sequence[str], aborted: bool) -> None:
        """Count the end of a request; *names* are those that it really answered."""
        self.in_flight -= 1
        self.by_status[str(status) if status else "none"] += 1
        if behaviour:
            self.by_behaviour[behaviour] += 1
        if aborted:
            self.aborted += 1
        elif names:
            self.answered.update(names)


class RequestLog:
    """An append-only file of JSON lines, each on disk's way before the answer is.

    `asked` at arrival: n, at_s, method, target, names. `answered` at the end: n, at_s,
    status (0: none was sent), behaviour ("" when none acted), whole (the answer went out to
    its end). Numbers start at 1 in each process.
    """

    def __init__(self, path: Path) -> None:
        try:
            # Unbuffered: one write a line, so that a kill never loses or splits one.
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise OutputError(f"{path}: cannot write the request log: {error}") from error

    def write(self, event: str, **fields: Any) -> None:
        """Append one line."""
        line = json.dumps({"event": event, **fields}, separators=(",", ":"))
        self._file.write(line.encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
