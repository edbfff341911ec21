"""Whom is asked, and how: recipes, providers, the way there and back."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from ventil.core.exchange import Outcome, Reply, Request, Steps
from ventil.core.model import Good
from ventil.core.period import Period


class Recipe(Protocol):
    """How records become requests, and responses samples."""

    def batches(self, keys: Iterable[str], /) -> Iterable[tuple[str, ...]]:
        """The records of one request each, in the kindest form the API has."""
        ...

    def fetch(self, keys: Sequence[str], period: Period, good: Mapping[str, Good], /) -> Steps:
        """The recipe for one batch; `good` holds the last good values known of it."""
        ...


class Api(Protocol):
    """An API that we ask: what its replies mean."""

    @property
    def name(self) -> str:
        """Its name in settings and reports, such as npm-downloads."""
        ...

    def judge(self, request: Request, reply: Reply, now_s: float, /) -> Outcome:
        """What a reply means to the governor."""
        ...


class Provider(Recipe, Api, Protocol):
    """An API with a recipe of its own."""


class Combiner(Protocol):
    """How questions to one provider share a request; `Request.part` is a question."""

    def kind(self, part: Any, /) -> Hashable:
        """Parts of one kind may share a request."""
        ...

    def most(self, part: Any, /) -> int:
        """How many of its kind may."""
        ...

    def combine(self, parts: Sequence[Any], /) -> Request:
        """One request for all of *parts*."""
        ...

    def split(self, parts: Sequence[Any], reply: Reply, /) -> list[Reply | None] | None:
        """The reply to each, as if it had been sent alone; None for one left out.

        None instead of the list: it was too much for one request.
        """
        ...


class Transport(Protocol):
    """Sends one request to one provider. Never raises for what the world does."""

    async def send(self, request: Request) -> Reply:
        """The answer, or the fault that came instead, within the provider's timeout."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Workbench(Protocol):
    """Does named tasks on untrusted bytes in other processes, within each task's limits."""

    async def run(self, task: str, payload: bytes, /) -> bytes:
        """What the task gave. Raises WorkbenchError when it broke a limit, or broke."""
        ...
