"""Hosts without sockets, and a hand that carries asks to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from ventil.changelog.finder import (
    Ask,
    Finding,
    Manners,
    Package,
    Remembered,
    Together,
    archive,
)
from ventil.changelog.finder import find as search_for
from ventil.core.exchange import Fault, FaultKind, Reply, Response
from ventil.sim.hosts import NAMES, Hosts, Mood, SimPackage, World, build

URLS = {name: f"http://127.0.0.1:{9000 + number}" for number, name in enumerate(NAMES)}
WHOSE = {url: name for name, url in URLS.items()}


@dataclass
class Courier:
    """Carries asks to simulated hosts, a second and a bit apart. `sent` keeps them."""

    hosts: Hosts
    token: str | None = "sim-token"
    now_s: float = 1_795_219_200.0
    sent: list[Ask] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    def carry(self, ask: Ask) -> Reply:
        """The reply to one ask."""
        self.sent.append(ask)
        self.now_s += 1.2
        headers = {**ask.request.headers, "User-Agent": "test (mailto:a@example.org)"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        host = ask.provider if ask.origin is None else WHOSE[ask.origin]
        request = ask.request
        answer = self.hosts.respond(
            host, request.method, request.target, headers, request.body or b"", self.now_s
        )
        reply = self._reply(ask, answer.status, answer.headers, answer.body)
        if answer.never:
            reply = Fault(FaultKind.TIMEOUT, "no answer")
        self.replies.append(reply)
        return reply

    def _reply(self, ask: Ask, status: int, headers: dict[str, str], body: bytes) -> Reply:
        if len(body) > ask.request.max_body_bytes:
            return Fault(FaultKind.TOO_LARGE, "too large")
        if ask.unpack is not None and status == 200:
            body = archive.read_task(archive.payload(ask.unpack, "", body))
        return Response(status, {name.lower(): text for name, text in headers.items()}, body)

    def find(
        self,
        package: Package | SimPackage,
        remembered: Remembered | None = None,
        *,
        graphql: bool = True,
    ) -> Finding:
        """One search to its end."""
        if isinstance(package, SimPackage):
            package = Package(package.ecosystem, package.name)
        search = search_for(package, remembered, Manners(graphql=graphql))
        try:
            ask = next(search)
            while True:
                ask = search.send(self.carry(ask))
        except StopIteration as end:
            found: Finding = end.value
            return found

    def find_all(
        self, packages: list[tuple[Package, Remembered | None]], *, graphql: bool = True
    ) -> list[Finding]:
        """Many searches together."""
        together = Together(packages, Manners(graphql=graphql))
        while not together.done:
            for ask in together.take(5):
                together.answer(ask, self.carry(ask))
        found = dict(together.pop_findings())
        return [found[number] for number in range(len(packages))]


@pytest.fixture
def courier() -> Callable[..., Courier]:
    """A courier to the hosts of a world; of 60 packages unless another is given."""

    def make(world: World | None = None, mood: Mood | str = "calm") -> Courier:
        return Courier(Hosts(world or build(60, 1), URLS, mood=mood))

    return make
