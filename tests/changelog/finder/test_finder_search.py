"""From a package to its changelog, against simulated hosts with traps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ventil.changelog.finder import (
    Finding,
    How,
    Package,
    Remembered,
    Result,
    Status,
    find,
)
from ventil.core.exchange import Fault, FaultKind, Reply, Response
from ventil.sim.hosts import SimPackage, World, build

if TYPE_CHECKING:
    from tests.changelog.finder.conftest import Courier

Make = Callable[..., "Courier"]


def one(
    world: World, where: str, *traps: str, ecosystem: str | None = None, exact: bool = False
) -> SimPackage:
    """The package with these traps and fewest others whose changelog is there."""
    fit = [
        package
        for package in world.packages.values()
        if package.where == where
        and ecosystem in (None, package.ecosystem)
        and package.traps >= set(traps)
        and not (exact and package.traps != set(traps))
    ]
    if fit:
        return min(fit, key=lambda package: len(package.traps))
    pytest.fail(f"no package with {where}, {traps}")


@pytest.fixture(scope="module")
def world() -> World:
    """Large enough to hold each trap."""
    return build(900, 5)


@pytest.mark.parametrize("graphql", [True, False])
@pytest.mark.parametrize("ecosystem", ["npm", "pypi", "gem", "cargo"])
def test_a_file_in_the_repository(
    courier: Make, world: World, ecosystem: str, graphql: bool
) -> None:
    """Its text comes as it is, with where it was found and what was tried."""
    package = one(world, "file", ecosystem=ecosystem, exact=True)
    finding = courier(world).find(package, graphql=graphql)
    assert finding.status is Status.FOUND
    assert finding.text == package.text()
    assert finding.filename is not None
    assert finding.filename.endswith(package.path)
    assert finding.version == package.version
    assert finding.requests <= 4
    assert finding.tried[-1].result is Result.FOUND
    assert finding.repository == f"https://github.com/{package.repo.path}"  # type: ignore[union-attr]


@pytest.mark.parametrize("graphql", [True, False])
@pytest.mark.parametrize(
    ("where", "trap"),
    [
        ("file", "renamed"),
        ("file", "monorepo"),
        ("file", "huge"),
        ("file", "vendored"),
        ("file", "symlink"),
        ("file", "large"),
        ("file", "process"),
        ("file", "dead-link"),
        ("file", "elsewhere"),
        ("file", "gitlab"),
        ("file", "codeberg"),
        ("linked", "old-branch"),
        ("linked", "renamed"),
        ("archive", "deleted"),
        ("archive", "no-repository"),
    ],
)
def test_traps_that_hide_a_text(
    courier: Make, world: World, where: str, trap: str, graphql: bool
) -> None:
    """Renamed and huge repositories, monorepos, vendored files, dead links and more."""
    package = one(world, where, trap)
    finding = courier(world).find(package, graphql=graphql)
    assert finding.status is Status.FOUND, finding
    assert finding.text == package.text()


@pytest.mark.parametrize("graphql", [True, False])
def test_a_file_that_points_elsewhere_is_followed_once(
    courier: Make, world: World, graphql: bool
) -> None:
    """To another file, or to the releases."""
    for pointed in (True, False):
        package = next(
            p
            for p in world.packages.values()
            if "points" in p.traps and (p.pointed is not None) is pointed
        )
        finding = courier(world).find(package, graphql=graphql)
        assert finding.status is Status.FOUND
        assert any(step.result is Result.LEADS_ON for step in finding.tried)
        if pointed:
            assert finding.text == package.text()
        else:
            assert finding.releases


def test_releases_of_the_code_host(courier: Make, world: World) -> None:
    """Only this package's, where a repository has several."""
    alone = courier(world).find(one(world, "releases", exact=True))
    assert alone.releases is not None
    assert alone.releases[0].body.startswith("## What's Changed")
    package = one(world, "releases", "monorepo")
    among = courier(world).find(package)
    assert among.releases is not None
    assert {release.tag for release in among.releases} == {
        release.tag for release in package.host_releases()
    }


def test_a_file_that_ended_years_ago_gives_way_to_the_releases(
    courier: Make, world: World
) -> None:
    """The latest version stands among the releases, and not in the file."""
    finding = courier(world).find(one(world, "file", "stale"))
    assert finding.releases
    assert [step.how for step in finding.tried][-2:] == [How.FILE, How.RELEASES]


def test_a_part_of_the_description(courier: Make, world: World) -> None:
    """When there is nothing better."""
    package = one(world, "description", ecosystem="pypi")
    finding = courier(world).find(package)
    assert finding.place is not None
    assert finding.place.how is How.DESCRIPTION
    assert finding.text is not None
    assert package.version.encode() in finding.text
    assert b"License" not in finding.text


@pytest.mark.parametrize("graphql", [True, False])
def test_none_is_an_answer_with_reasons(courier: Make, world: World, graphql: bool) -> None:
    """What was tried and what came of it."""
    finding = courier(world).find(one(world, "none", "wordless"), graphql=graphql)
    assert finding.status is Status.NONE
    assert "notes" in finding.why
    finding = courier(world).find(one(world, "none", "vendored"), graphql=graphql)
    assert finding.status is Status.NONE
    finding = courier(world).find(one(world, "unreachable", ecosystem="pypi"), graphql=graphql)
    assert finding.status is Status.NONE
    assert "no host that we know to ask" in finding.why


def test_no_name_is_ever_guessed(courier: Make, world: World) -> None:
    """Every file that is asked for was named by a listing, a link or a text before."""
    carrier = courier(world)
    for package in list(world.packages.values())[:150]:
        carrier.find(package, graphql=False)
    absent = [
        ask.request.target
        for ask, reply in zip(carrier.sent, carrier.replies, strict=True)
        if isinstance(reply, Response)
        and reply.status == 404
        and ("/contents/" in ask.request.target or "/raw" in ask.request.target)
    ]
    assert all("CHANGES-that-was" in target for target in absent), absent
    assert sum(carrier.hosts.violations.values()) == 0


def test_a_package_that_became_another(courier: Make, world: World) -> None:
    """The note of deprecation leads to it, once, and the finding says so."""
    package = next(p for p in world.packages.values() if p.successor)
    finding = courier(world).find(package)
    assert finding.status is Status.FOUND
    assert finding.remember.name == package.successor
    assert "its successor" in finding.why
    assert any(step.how is How.SUCCESSOR for step in finding.tried)


def test_unknown_packages_and_names(courier: Make, world: World) -> None:
    """The registry's 404, and names that no registry has."""
    for ecosystem in ("npm", "pypi", "gem", "cargo"):
        finding = courier(world).find(Package(ecosystem, "no-such-package"))
        assert finding.status is Status.UNKNOWN
        assert finding.requests == 1
    for name in ("", "../x", "a/b/c", "@/x", "a\nb", "x" * 300):
        finding = courier(world).find(Package("npm", name))
        assert (finding.status, finding.requests) == (Status.UNKNOWN, 0)
    assert courier(world).find(Package("maven", "a")).status is Status.UNKNOWN


def test_a_bomb_in_an_archive_costs_that_archive_only(courier: Make) -> None:
    """The search goes on elsewhere."""
    bombed = build(80, 3, traps={"bomb": 1.0})
    package = one(bombed, "file", ecosystem="cargo")
    finding = courier(bombed).find(package)
    step = next(step for step in finding.tried if step.how is How.ARCHIVE)
    assert step.result is Result.NOTHING
    assert "too large" in step.detail


def test_what_does_not_answer_is_not_taken_for_none(courier: Make, world: World) -> None:
    """A failure is said to be one, and what was remembered is kept."""
    carrier = courier(world)
    known = Remembered(version="0.0.1", etag='"x"')
    package = one(world, "none", exact=True)

    def broken(reply: Reply, fault: Reply) -> Finding:
        search = find(Package(package.ecosystem, package.name), known)
        ask = next(search)
        try:
            ask = search.send(reply)
            while True:
                ask = search.send(fault)
        except StopIteration as end:
            del ask
            found: Finding = end.value
            return found

    first = next(find(Package(package.ecosystem, package.name)))
    metadata = carrier.carry(first)
    for fault in (Fault(FaultKind.TIMEOUT, "no answer"), Response(503, {}, b"")):
        finding = broken(metadata, fault)
        assert finding.status is Status.FAILED
        assert finding.remember == known
        assert broken(fault, fault).status is Status.FAILED


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_replies_end_in_a_finding(data: st.DataObject) -> None:
    """Hosts that say anything: no exception, no endless search, no hostile request."""
    text = st.text(max_size=30) | st.sampled_from(
        [
            "https://github.com/o/r",
            "https://gitlab.com/o/r",
            "https://codeberg.org/o/r/src/branch/main/NEWS",
            "https://github.com/o/r/blob/main/CHANGELOG.md",
            "http://169.254.169.254/x.tgz",
            "CHANGELOG.md",
            "../../etc/passwd",
            "1.0.0",
        ]
    )
    keys = st.sampled_from(
        "name version info project_urls Changelog repository url directory dist tarball tree"
        " path type blob truncated data r0 t0 entries releases nodes tagName description file"
        " oid text tag_name body errors message location files urls packagetype sdist".split()
    )
    value = st.recursive(
        text | st.none() | st.integers() | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=12,
    )
    package = Package(
        data.draw(st.sampled_from(["npm", "pypi", "gem", "cargo"])), data.draw(text)
    )
    search = find(package)
    asks = 0
    try:
        ask = next(search)
        while True:
            asks += 1
            assert ask.request.target.startswith("/")
            assert ask.request.target.isprintable()
            assert " " not in ask.request.target
            assert asks < 50
            body = data.draw(value.map(msgspec.json.encode) | st.binary(max_size=40))
            status = data.draw(st.sampled_from([200, 200, 200, 301, 304, 404, 500]))
            headers = {"location": data.draw(text), "etag": data.draw(text)}
            ask = search.send(Response(status, headers, body))
    except StopIteration as end:
        finding: Finding = end.value
    assert finding.requests == asks
    assert finding.requests <= 8
    stored = msgspec.json.encode(finding.remember)
    assert msgspec.json.decode(stored, type=Remembered) == finding.remember
