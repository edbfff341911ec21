"""All simulated hosts behind one function: a request in, an answer out. No I/O, no clock."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ventil.sim.hosts import graphql, limits
from ventil.sim.hosts.answer import Answer, Asked, as_json, as_text
from ventil.sim.hosts.forges import Forges
from ventil.sim.hosts.limits import Limits
from ventil.sim.hosts.registries import Registries
from ventil.sim.hosts.world import World

NAMES = tuple(limits.RULES)
"""The hosts: npm-registry, pypi, pypi-files, rubygems, crates, crates-index, crates-static,
github, gitlab, codeberg."""

_QUESTION = re.compile(r"\br\d+: repository")
_ENDS = ' }"'
_LATE = "Something went wrong while executing your query. This may be the result of a timeout."


@dataclass(frozen=True, slots=True)
class Mood:
    """How well the hosts are.

    `failing` is the share of requests answered 5xx, `silent` of those never answered,
    `secondary` of GitHub's that meet a secondary limit out of the blue. `graphql_aliases`
    and `graphql_bytes`: what is asked beyond either in one query takes too long: half of
    such queries end in a 502, a quarter in a 200 that says so, a quarter in partial data.
    `latency_s` is a usual answer's time.
    """

    failing: float = 0.0
    silent: float = 0.0
    secondary: float = 0.0
    graphql_aliases: int = 100
    graphql_bytes: int = 20_000_000
    latency_s: float = 0.05


MOODS = {
    "calm": Mood(),
    "rough": Mood(
        failing=0.02,
        silent=0.003,
        secondary=0.01,
        graphql_aliases=30,
        graphql_bytes=400_000,
        latency_s=0.2,
    ),
}


@dataclass(slots=True)
class Books:
    """What one host counted: requests, and of them by status.

    `targets` counts what was asked for: each repository of a GraphQL query by itself, as
    its own question, whichever others it shared a request with.
    """

    requests: int = 0
    by_status: Counter[int] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    targets: Counter[str] = field(default_factory=Counter)


def _questions(target: str, body: bytes) -> list[str]:
    parts = _QUESTION.split(body.decode("utf-8", "replace"))[1:]
    return [f"{target} {part.rstrip(_ENDS)}" for part in parts] or [target]


class Hosts:
    """The hosts of a world. *urls*: a host's name to its base URL, for what answers name.

    *token* is the one that GitHub knows; without it a client is anonymous, and GraphQL is
    refused. *seed* decides whom the mood meets.
    """

    def __init__(
        self,
        world: World,
        urls: Mapping[str, str],
        *,
        mood: Mood | str = "calm",
        token: str | None = "sim-token",  # noqa: S107 - of a simulation
        seed: int = 0,
    ) -> None:
        self.world = world
        self.mood = MOODS[mood] if isinstance(mood, str) else mood
        self.books = {name: Books() for name in NAMES}
        self.limits = {name: Limits(name, token=token) for name in NAMES}
        self._token = token
        self._rng = random.Random(f"mood:{seed}")  # noqa: S311
        registries = Registries(world, lambda name: urls[name])
        forges = Forges(world, lambda name: urls[name])
        self._answers = {
            "npm-registry": registries.npm_registry,
            "pypi": registries.pypi,
            "pypi-files": registries.pypi_files,
            "rubygems": registries.rubygems,
            "crates": registries.crates,
            "crates-index": registries.crates_index,
            "crates-static": registries.crates_static,
            "github": forges.github,
            "gitlab": forges.gitlab,
            "codeberg": forges.codeberg,
        }

    @property
    def violations(self) -> dict[str, int]:
        """By host, how often any of its limits was exceeded."""
        return {name: self.limits[name].violations for name in NAMES}

    @property
    def requests(self) -> dict[str, int]:
        """By host, how many requests came."""
        return {name: self.books[name].requests for name in NAMES}

    def respond(
        self,
        host: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        now_s: float,
    ) -> Answer:
        """Answer a request to *host* at *now_s*."""
        asked = Asked.of(method, target, headers, body)
        books = self.books[host]
        books.requests += 1
        books.targets.update(_questions(target, body))
        answer = self._respond(host, asked, now_s)
        answer.delay_s = answer.delay_s or self.mood.latency_s * self._rng.uniform(0.5, 1.5)
        books.by_status[answer.status] += 1
        return answer

    def _respond(self, host: str, asked: Asked, now_s: float) -> Answer:
        refusal = self.limits[host].refuse(asked, now_s)
        if refusal is not None:
            return refusal
        budget = self.limits[host].budget(asked)
        if asked.path == "/graphql" and not self._is_known(asked):
            return as_json({"message": "Requires authentication"}, 401)
        if budget is not None and not budget.take(now_s):
            answer = limits.primary(asked, budget)
            answer.headers.update(budget.fields())
            return answer
        trouble = self._trouble(host, asked)
        if trouble is not None:
            answer = trouble
        elif asked.path == "/graphql" and host == "github":
            answer = self._graphql(asked)
        elif asked.method != "GET":
            answer = as_text("method not allowed", 405)
        else:
            answer = self._answers[host](asked)
        if budget is not None:
            if answer.status == 304:
                budget.give_back()
            answer.headers.update(budget.fields())
        return answer

    def _is_known(self, asked: Asked) -> bool:
        return self._token is not None and self._token in asked.headers.get("authorization", "")

    def _trouble(self, host: str, asked: Asked) -> Answer | None:
        mood, roll = self.mood, self._rng.random()
        if roll < mood.silent:
            return Answer(504, never=True)
        if roll < mood.silent + mood.failing:
            return as_text("upstream error", self._rng.choice((500, 502, 503)))
        if host == "github" and self._rng.random() < mood.secondary:
            return limits.secondary(asked, self._rng.choice(("60", None)))
        return None

    def _graphql(self, asked: Asked) -> Answer:
        try:
            query = json.loads(asked.body)["query"]
            result = graphql.execute(query, self.world)
        except (ValueError, KeyError, TypeError) as error:
            return as_json({"message": f"Problems parsing JSON: {error}"}, 400)
        except graphql.BadQuery as error:
            return as_json({"errors": [{"message": str(error)}]})
        mood = self.mood
        if result.aliases > mood.graphql_aliases or result.bytes > mood.graphql_bytes:
            roll = self._rng.random()
            late = {"data": None, "errors": [{"message": _LATE}]}
            if roll < 0.5:
                answer = as_json(late, 502)
            elif roll < 0.75:
                answer = as_json(late)
            else:
                kept = dict(list(result.data.items())[: len(result.data) // 2])
                errors = [*result.errors, {"message": _LATE}]
                answer = as_json({"data": kept, "errors": errors})
            answer.delay_s = 10.0
            return answer
        told: dict[str, object] = {"data": result.data}
        if result.errors:
            told["errors"] = result.errors
        return as_json(told)
