"""How each host limits us, as documented or observed, and what it counted. Reads no clock.

Every limit has two halves, as in `ventil.sim.npm.limits`: it refuses in its own spelling,
and it counts the arrivals above itself in any window, refused or not: the client's
violations.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from ventil.sim.hosts.answer import Answer, Asked, as_json, as_text

HTML_THROTTLE = b"<html><body><h1>Too Many Requests</h1>error code: 1015</body></html>"
BOT_WALL = b"<html><title>Making sure you're not a bot!</title>anubis</html>"


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `limit` arrivals (or points) in any `window_s` seconds, called `name`."""

    name: str
    limit: int
    window_s: float


class Window:
    """One rule at work, sliding."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.violations = 0
        self.refused = 0
        self._log: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def arrive(self, now_s: float, weight: float = 1.0) -> float | None:
        """Count an arrival. None lets it through, else the seconds until one would be."""
        while self._log and self._log[0][0] <= now_s - self.rule.window_s:
            self._sum -= self._log.popleft()[1]
        self._log.append((now_s, weight))
        self._sum += weight
        if self._sum <= self.rule.limit:
            return None
        self.violations += 1
        self.refused += 1
        return max(0.0, self._log[0][0] + self.rule.window_s - now_s)


class Budget:
    """GitHub's primary quota: so many an hour from the first request on, then anew."""

    def __init__(self, limit: int, resource: str, window_s: float = 3600.0) -> None:
        self.limit, self.resource, self.window_s = limit, resource, window_s
        self.used = 0
        self.violations = 0
        self._until_s = -math.inf

    def take(self, now_s: float, points: int = 1) -> bool:
        """Take points; False when they are used up."""
        if now_s >= self._until_s:
            self.used, self._until_s = 0, now_s + self.window_s
        if self.used + points > self.limit:
            self.violations += 1
            return False
        self.used += points
        return True

    def give_back(self, points: int = 1) -> None:
        """A 304 does not count."""
        self.used = max(0, self.used - points)

    def fields(self) -> dict[str, str]:
        """The header fields of every answer."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(max(0, self.limit - self.used)),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-reset": str(math.ceil(self._until_s)),
            "x-ratelimit-resource": self.resource,
        }


RULES: dict[str, tuple[Rule, ...]] = {
    "npm-registry": (Rule("5 a second", 30, 6.0),),
    "pypi": (Rule("serial, not thousands in minutes", 300, 60.0),),
    "pypi-files": (),
    "rubygems": (Rule("10 a second", 10, 1.0),),
    "crates": (Rule("1 a second", 1, 0.99),),
    "crates-index": (),
    "crates-static": (),
    "github": (Rule("900 points a minute", 900, 60.0),),
    "gitlab": (Rule("500 a minute", 500, 60.0),),
    "codeberg": (Rule("unpublished", 60, 60.0),),
}
"""The limits of each host here; where none is published, one that the observed would pass."""


class Limits:
    """All limits of one host."""

    def __init__(self, host: str, *, token: str | None) -> None:
        self.host = host
        self.windows = [Window(rule) for rule in RULES[host]]
        self._token = token
        self.budgets: dict[str, Budget] = {}

    @property
    def violations(self) -> int:
        """Arrivals above any limit."""
        return sum(w.violations for w in self.windows) + sum(
            budget.violations for budget in self.budgets.values()
        )

    def refuse(self, asked: Asked, now_s: float) -> Answer | None:
        """The host's own way to refuse; None to let the request through."""
        for window in self.windows:
            wait_s = window.arrive(now_s)
            if wait_s is not None:
                return self._refusal(asked, wait_s)
        return None

    def budget(self, asked: Asked) -> Budget | None:
        """GitHub's primary quota for this request; None at other hosts."""
        if self.host != "github":
            return None
        known = self._token is not None and self._token in asked.headers.get(
            "authorization", ""
        )
        resource = "graphql" if asked.path == "/graphql" else "core"
        key = f"{resource}{'' if known else ' anonymous'}"
        if key not in self.budgets:
            limit = 5000 if known else 0 if resource == "graphql" else 60
            self.budgets[key] = Budget(limit, resource)
        return self.budgets[key]

    def _refusal(self, asked: Asked, wait_s: float) -> Answer:
        seconds = str(math.ceil(wait_s))
        match self.host:
            case "npm-registry":
                answer = as_text(HTML_THROTTLE, 429, "text/html")
                answer.headers["retry-after"] = "0"
                return answer
            case "rubygems":
                return as_text("Retry later\n", 429)
            case "crates":
                return as_json({"errors": [{"detail": "Slow down"}]}, 429, retry_after=seconds)
            case "gitlab":
                return as_json(
                    {"message": "429 Too Many Requests"},
                    429,
                    retry_after=seconds,
                    ratelimit_limit=str(self.windows[0].rule.limit),
                    ratelimit_remaining="0",
                )
            case "codeberg":
                return as_text(BOT_WALL, 200, "text/html")
            case "github":
                return secondary(asked, seconds)
            case _:
                return as_text("Too Many Requests", 429)


def secondary(asked: Asked, seconds: str | None) -> Answer:
    """GitHub's secondary limit: 403, for GraphQL 200; with Retry-After or without."""
    message = "You have exceeded a secondary rate limit. Please wait a few minutes."
    if asked.path == "/graphql":
        answer = as_json({"errors": [{"message": message}]})
    else:
        answer = as_json({"message": message}, 403)
    if seconds is not None:
        answer.headers["retry-after"] = seconds
    return answer


def primary(asked: Asked, budget: Budget) -> Answer:
    """GitHub's primary limit: 403, for GraphQL 200 with an error of type RATE_LIMITED."""
    message = "API rate limit exceeded for 192.0.2.1."
    if asked.path == "/graphql":
        return as_json({"errors": [{"type": "RATE_LIMITED", "message": message}]})
    return as_json({"message": message}, 403 if budget.used % 2 else 429)
