"""Many searches together: shared requests, and GraphQL's ways to fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ventil.changelog.finder import (
    Ask,
    Ended,
    Manners,
    Package,
    Status,
    Together,
    find_together,
    graphql,
)
from ventil.core.exchange import Fault, FaultKind, Reply, Response
from ventil.sim.hosts import Mood, World, build

if TYPE_CHECKING:
    from tests.changelog.finder.conftest import Courier

Make = Callable[..., "Courier"]


def everything(world: World) -> list[tuple[Package, None]]:
    """All packages of a world, nothing remembered."""
    return [(Package(p.ecosystem, p.name), None) for p in world.packages.values()]


def right(world: World, statuses: dict[str, Status]) -> float:
    """The share of the packages with a changelog for which one was found."""
    have = [p.purl for p in world.packages.values() if p.has_changelog]
    return sum(statuses[purl] is Status.FOUND for purl in have) / len(have)


@pytest.mark.parametrize("with_graphql", [True, False])
def test_at_least_95_percent_at_most_3_requests(courier: Make, with_graphql: bool) -> None:
    """The goals, on a small world; no limit is exceeded."""
    world = build(200, 6)
    carrier = courier(world)
    found = carrier.find_all(everything(world), graphql=with_graphql)
    statuses = {f.package.purl: f.status for f in found}
    assert right(world, statuses) >= 0.95
    assert len(carrier.sent) / len(found) <= (2.0 if with_graphql else 3.2)
    assert sum(carrier.hosts.violations.values()) == 0


def test_fifty_repositories_share_a_request(courier: Make) -> None:
    """GitHub is asked a few times for all."""
    world = build(200, 6)
    carrier = courier(world)
    carrier.find_all(everything(world))
    asked = sum(ask.request.target == "/graphql" for ask in carrier.sent)
    repositories = sum(1 for repo in set(world.repos.values()) if repo.host == "github")
    assert asked < repositories / 5
    budget = carrier.hosts.limits["github"].budgets["graphql"]
    assert budget.used <= 2 * asked


def test_a_shared_listing_is_asked_for_once(courier: Make) -> None:
    """All packages of a monorepo, one listing of it."""
    world = build(120, 6, traps={"monorepo": 1.0})
    carrier = courier(world)
    carrier.find_all(everything(world), graphql=False)
    trees = [a.request.target for a in carrier.sent if "git/trees" in a.request.target]
    assert len(trees) == len(set(trees))


@pytest.mark.parametrize(("aliases", "size"), [(3, 10**9), (100, 20_000), (1, 10**9), (100, 0)])
def test_queries_that_take_too_long_are_halved(courier: Make, aliases: int, size: int) -> None:
    """502, 200 with errors, partial data: each search still ends, at last alone."""
    world = build(60, 2)
    carrier = courier(world, Mood(graphql_aliases=aliases, graphql_bytes=size))
    found = carrier.find_all(everything(world))
    statuses = {f.package.purl: f.status for f in found}
    if size:
        assert right(world, statuses) == 1.0
    else:  # even one is too much: said so, never taken for none
        assert Status.FAILED in statuses.values()


def test_one_bad_repository_leaves_the_others_whole(courier: Make) -> None:
    """NOT_FOUND is about one alias."""
    world = build(100, 2, traps={"deleted": 0.5})
    found = courier(world).find_all(everything(world))
    statuses = {f.package.purl: f.status for f in found}
    assert right(world, statuses) >= 0.95
    assert Status.FAILED not in statuses.values()


def test_a_throttle_is_the_reply_to_all_that_shared_it() -> None:
    """Whoever sends tries throttled requests again; what is handed in at last counts."""
    asks = [graphql.ask("o", f"r{n}", graphql.look([""])) for n in range(3)]
    for reply in (
        Response(403, {}, b"{}"),
        Response(200, {}, b'{"errors":[{"type":"RATE_LIMITED"}]}'),
        Fault(FaultKind.DNS, "gone"),
    ):
        assert graphql.split(asks, reply) == [reply] * 3
    for late in (
        Response(504, {}, b""),
        Response(200, {}, b'{"data":null,"errors":[{"message":"Something went wrong while'
                 b' executing your query."}]}'),
        Fault(FaultKind.TIMEOUT, "late"),
    ):  # fmt: skip
        assert graphql.split(asks, late) is None
        assert graphql.split(asks[:1], late) == [late]


def test_names_cannot_break_out_of_a_query() -> None:
    """Quotes and braces in what metadata names are data."""
    ask = graphql.ask('o"){x}', 'r\\"', graphql.look(['a"){evil}', "b\nc"]))
    assert ask.request.body is not None
    other = graphql.ask("o", "r", graphql.look([""]))
    combined = graphql.combine([ask, other])
    assert combined.request.body is not None
    assert combined.request.body.count(b"r1: repository") == 1
    with pytest.raises(ValueError, match="without a query"):
        graphql.combine([ask, Ask("pypi", ask.request)])


def test_any_order_of_replies_gives_the_same_findings(courier: Make) -> None:
    """What is out may come back in any order."""
    world = build(80, 3)
    straight = courier(world).find_all(everything(world))
    together = Together(everything(world), Manners(graphql=True))
    carrier = courier(world)
    held: list[tuple[Ask, Reply]] = []
    while not together.done:
        held += [(ask, carrier.carry(ask)) for ask in together.take()]
        together.answer(*held.pop())
    found = dict(together.pop_findings())
    assert [found[n].status for n in range(len(straight))] == [f.status for f in straight]
    assert [found[n].text for n in range(len(straight))] == [f.text for f in straight]


def test_one_request_after_another(courier: Make) -> None:
    """The generator form: findings come out as they end, each once."""
    world = build(60, 3)
    carrier = courier(world)
    steps = find_together(everything(world), Manners(graphql=True))
    ended: list[int] = []
    step = next(steps)
    try:
        while True:
            if isinstance(step, Ended):
                ended.append(step.number)
                step = steps.send(None)
            else:
                step = steps.send(carrier.carry(step))
    except StopIteration:
        pass
    assert sorted(ended) == list(range(60))
