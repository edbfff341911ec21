"""Are changelogs found, at how many requests, and is any limit exceeded?

The finder against the simulated registries and code hosts, with Ventil's governor before
each of them and the shipped profiles, in virtual time: the hours that 60 requests an hour
take are not waited for. The truth about each package is the simulation's; what the finder
says is compared with it byte by byte where there is a file.

`python -m bench.finder [--quick]`
"""

from __future__ import annotations

import heapq
import itertools
import statistics
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench import results
from ventil import providers
from ventil.changelog.finder import (
    Ask,
    Finding,
    Manners,
    Package,
    Remembered,
    Status,
    Together,
    archive,
)
from ventil.changelog.finder.links import origin_fault
from ventil.core.exchange import Fault, FaultKind, Reply, Response, Verdict
from ventil.core.governor import Governor, Permit, Policy
from ventil.core.quota import Quota
from ventil.providers import Api
from ventil.sim.hosts import NAMES, Hosts, SimPackage, World, build

START_S = 1_795_219_200.0  # 2026-11-21, 00:00 UTC
TRIES = 3
MOST_THROTTLES = 5
AGENT = "ventil-bench (+https://example.org; mailto:ops@example.org)"


@dataclass(slots=True)
class Door:
    """One provider: its governor, what waits, what is counted."""

    api: Api
    governor: Governor
    waiting: deque[tuple[Ask, int, int, Together]] = field(default_factory=deque)
    sent: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    wake_s: float | None = None


class Machine:
    """Runs searches against hosts in virtual time: a heap of events, no clock, no socket."""

    def __init__(self, hosts: Hosts, urls: dict[str, str], *, token: bool) -> None:
        self.now_s = START_S
        self.doors: dict[str, Door] = {}
        self._hosts = hosts
        self._urls = urls
        self._by_url = {url: name for name, url in urls.items()}
        self._token = token
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._awake: list[Together] = []

    def search(
        self,
        packages: list[tuple[Package, Remembered | None]],
        manners: Manners,
        *,
        shared: bool,
    ) -> list[Finding]:
        """All packages at once: as one chunk that shares requests, or each by itself."""
        groups = [packages] if shared else [[one] for one in packages]
        searches = [Together(group, manners) for group in groups]
        self._awake = list(searches)
        while True:
            for together in self._awake:
                for ask in together.take():
                    self._door(ask.provider).waiting.append((ask, 0, 0, together))
            self._awake = []
            for door in self.doors.values():
                self._pump(door)
            if not self._events:
                break
            when_s, _, event = heapq.heappop(self._events)
            self.now_s = max(self.now_s, when_s)
            event()
        found = [f for one in searches for _, f in sorted(one.pop_findings(), key=_first)]
        assert len(found) == len(packages), "a search did not end"
        return found

    def _door(self, name: str) -> Door:
        if name not in self.doors:
            api = providers.api(name)
            profile = api.profile
            quotas = profile.quotas + (() if self._token else api.anonymous_quotas)
            policy = Policy(
                quotas=tuple(Quota.parse(text) for text in quotas),
                max_in_flight=profile.max_in_flight,
                cooldown_s=profile.cooldown_s,
                timeout_s=profile.timeout_s,
            )
            self.doors[name] = Door(api, Governor(policy, self.now_s, seed=0))
        return self.doors[name]

    def _pump(self, door: Door) -> None:
        while door.waiting:
            ask, throttles, overloads, together = door.waiting[0]
            answer = door.governor.admit(
                self.now_s,
                pending=len(door.waiting),
                retry=throttles + overloads > 0,
                record=id(ask),
            )
            if not isinstance(answer, Permit):
                until_s = answer.until_s
                if until_s is not None and until_s != door.wake_s:
                    door.wake_s = until_s
                    self._at(until_s, lambda: None)
                return
            door.waiting.popleft()
            self._send(door, ask, throttles, overloads, answer, together)

    def _send(
        self,
        door: Door,
        ask: Ask,
        throttles: int,
        overloads: int,
        permit: Permit,
        together: Together,
    ) -> None:
        door.sent += 1
        reply, takes_s = self._exchange(door, ask)

        def arrive() -> None:
            outcome = door.api.judge(ask.request, reply, self.now_s)
            door.governor.settle(permit, self.now_s, outcome)
            door.wake_s = None
            door.verdicts[outcome.verdict] += 1
            if outcome.verdict is Verdict.THROTTLED and throttles < MOST_THROTTLES:
                door.waiting.append((ask, throttles + 1, overloads, together))
            elif outcome.verdict is Verdict.OVERLOADED and overloads + 1 < TRIES:
                door.waiting.append((ask, throttles, overloads + 1, together))
            else:
                together.answer(ask, self._unpacked(ask, reply))
                self._awake.append(together)

        self._at(self.now_s + takes_s, arrive)

    def _exchange(self, door: Door, ask: Ask) -> tuple[Reply, float]:
        base = self._urls[ask.provider]
        host = ask.provider
        if ask.origin is not None:
            assert origin_fault(ask.origin, base) is None
            host = self._by_url[ask.origin]
        headers = {**ask.request.headers, "User-Agent": AGENT}
        if self._token and host == "github":
            headers["Authorization"] = "Bearer sim-token"
        answer = self._hosts.respond(
            host,
            ask.request.method,
            ask.request.target,
            headers,
            ask.request.body or b"",
            self.now_s,
        )
        timeout_s = door.api.profile.timeout_s
        if answer.never or answer.delay_s > timeout_s:
            return Fault(FaultKind.TIMEOUT, "no answer"), timeout_s
        if len(answer.body) > ask.request.max_body_bytes:
            return Fault(FaultKind.TOO_LARGE, "too large"), answer.delay_s
        lower = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status, lower, answer.body), answer.delay_s

    def _unpacked(self, ask: Ask, reply: Reply) -> Reply:
        if ask.unpack is None or not isinstance(reply, Response) or reply.status != 200:
            return reply
        body = archive.read_task(archive.payload(ask.unpack, "", reply.body))
        return Response(200, reply.headers, body)

    def _at(self, when_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when_s, next(self._numbers), event))


def _first(pair: tuple[int, Finding]) -> int:
    return pair[0]


def is_right(package: SimPackage, finding: Finding) -> bool:
    """Whether the finding is the package's changelog, as it is now."""
    if finding.status is not Status.FOUND:
        return False
    if package.where == "releases" or "stale" in package.traps:
        expected = {release.tag for release in package.host_releases()}
        return {release.tag for release in finding.releases or ()} >= expected
    if finding.text is None:  # a pointer to the releases
        return bool(finding.releases) and "points" in package.traps
    if package.where == "description":
        return package.version.encode() in finding.text
    return finding.text == package.text()


def round_of(
    world: World, *, mood: str, token: bool, shared: bool, seed: int, chunk: int = 100
) -> dict[str, Any]:
    """Search for all packages of a world, then again unchanged, then after new versions."""
    urls = {name: f"http://127.0.0.1:{9000 + n}" for n, name in enumerate(NAMES)}
    hosts = Hosts(world, urls, mood=mood, token="sim-token" if token else None, seed=seed)
    manners = Manners(graphql=token)
    machine = Machine(hosts, urls, token=token)
    packages = [Package(p.ecosystem, p.name) for p in world.packages.values()]

    def run(remembered: list[Remembered | None]) -> list[Finding]:
        found: list[Finding] = []
        for at in range(0, len(packages), chunk):
            part = slice(at, at + chunk)
            pairs = list(zip(packages[part], remembered[part], strict=True))
            found += machine.search(pairs, manners, shared=shared)
        return found

    first = run([None] * len(packages))
    sent = sum(door.sent for door in machine.doors.values())
    took_s = machine.now_s - START_S
    truths = list(world.packages.values())
    have = [p.has_changelog for p in truths]
    right = [is_right(p, f) for p, f in zip(truths, first, strict=True)]
    found = sum(r for r, h in zip(right, have, strict=True) if h)
    invented = sum(
        f.status is Status.FOUND and p.where == "none" and not p.successor
        for p, f in zip(truths, first, strict=True)
    )
    remembered: list[Remembered | None] = [f.remember for f in first]
    again = run(remembered)
    sent_again = sum(door.sent for door in machine.doors.values()) - sent
    grown = set(world.release(0.1, seed))
    third = run([f.remember for f in again])
    sent_third = sum(door.sent for door in machine.doors.values()) - sent - sent_again
    newer = [
        is_right(p, f)
        for p, f, r in zip(truths, third, right, strict=True)
        if p.purl in grown and r
    ]
    return {
        "mood": mood,
        "github": "token, GraphQL" if token else "anonymous, REST",
        "shared": shared,
        "seed": seed,
        "packages": len(packages),
        "have_one": sum(have),
        "found": results.digits(found / sum(have)),
        "invented": invented,
        "failed": sum(f.status is Status.FAILED for f in first),
        "requests_per_package": results.digits(sent / len(packages)),
        "most_for_one": max(f.requests for f in first),
        "hours": results.digits(took_s / 3600),
        "again_per_package": results.digits(sent_again / len(packages)),
        "grown": len(grown),
        "grown_found": results.digits(sum(newer) / max(1, len(newer))),
        "after_growth_per_package": results.digits(sent_third / len(packages)),
        "limits_exceeded": sum(hosts.violations.values()),
        "throttled": sum(d.verdicts["throttled"] for d in machine.doors.values()),
        "requests": {name: count for name, count in hosts.requests.items() if count},
    }


def measure(quick: bool) -> dict[str, Any]:
    """Both ways of asking GitHub, in both moods, over several worlds."""
    count, seeds = (120, (1,)) if quick else (1000, (1, 2, 3))
    rows = []
    ways = [(True, True), (True, False), (False, True)]
    for (token, shared), mood, seed in itertools.product(ways, ("calm", "rough"), seeds):
        world = build(count, seed)
        rows.append(round_of(world, mood=mood, token=token, shared=shared, seed=seed))
    shown = [
        (
            row["github"],
            "together" if row["shared"] else "one by one",
            row["mood"],
            row["seed"],
            f"{row['found']:.1%}",
            row["invented"],
            row["requests_per_package"],
            row["again_per_package"],
            row["limits_exceeded"],
            row["throttled"],
            f"{row['hours']:.1f} h",
        )
        for row in rows
    ]
    results.table(
        f"finder, {count} packages a world",
        (
            "GitHub",
            "searches",
            "mood",
            "seed",
            "found",
            "invented",
            "requests",
            "again",
            "exceeded",
            "throttled",
            "time",
        ),
        shown,
    )
    token = [row for row in rows if row["github"].startswith("token")]
    together = [row for row in token if row["shared"]]
    alone = [row for row in token if not row["shared"]]
    anonymous = [row for row in rows if row not in token]
    goals = [
        goal("found, at least", 0.95, min(row["found"] for row in rows), at_least=True),
        goal(
            "requests per package with a token, at most",
            3.0,
            statistics.mean(row["requests_per_package"] for row in together),
        ),
        goal(
            "requests per package with a token, one by one, at most",
            3.0,
            statistics.mean(row["requests_per_package"] for row in alone),
        ),
        goal(
            "requests per package without a token, at most",
            3.0,
            statistics.mean(row["requests_per_package"] for row in anonymous),
        ),
        goal("limits exceeded", 0, sum(row["limits_exceeded"] for row in rows)),
    ]
    return {"rows": rows, "goals": goals}


def goal(name: str, bound: float, measured: float, *, at_least: bool = False) -> dict[str, Any]:
    """A goal, what was measured, and whether it is met."""
    met = measured >= bound if at_least else measured <= bound
    return {"goal": name, "bound": bound, "measured": results.digits(measured), "met": met}


if __name__ == "__main__":
    results.run("finder", __doc__ or "", measure)
