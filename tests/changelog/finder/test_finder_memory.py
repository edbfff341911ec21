"""The second search: what is remembered makes it nearly free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from ventil.changelog.finder import How, Package, Remembered, Status
from ventil.core.exchange import Response
from ventil.sim.hosts import build

if TYPE_CHECKING:
    from tests.changelog.finder.conftest import Courier

Make = Callable[..., "Courier"]


@pytest.mark.parametrize("graphql", [True, False])
def test_nothing_new_costs_one_conditional_request_each(courier: Make, graphql: bool) -> None:
    """A 304 of the registry settles it; what was found and what was not."""
    world = build(120, 2, traps={"stale": 0.0, "deprecated": 0.0})
    carrier = courier(world)
    packages = [Package(p.ecosystem, p.name) for p in world.packages.values()]
    first = carrier.find_all([(p, None) for p in packages], graphql=graphql)
    carrier.sent.clear()
    carrier.replies.clear()
    again = carrier.find_all(
        [(p, f.remember) for p, f in zip(packages, first, strict=True)], graphql=graphql
    )
    assert {finding.status for finding in again} == {Status.UNCHANGED}
    assert len(carrier.sent) == len(packages)
    assert {r.status for r in carrier.replies if isinstance(r, Response)} == {304}
    for before, after in zip(first, again, strict=True):
        assert after.remember == before.remember
        assert after.place == before.place


@pytest.mark.parametrize("graphql", [True, False])
def test_a_new_version_is_looked_for_where_the_last_one_was(
    courier: Make, graphql: bool
) -> None:
    """Two requests in the place of a search, and the new text."""
    world = build(150, 4)
    carrier = courier(world)
    packages = list(world.packages.values())
    first = {p.purl: carrier.find(p, graphql=graphql) for p in packages}
    world.release(1.0)
    for package in packages:
        before = first[package.purl]
        if before.status is not Status.FOUND or before.place is None:
            continue
        after = carrier.find(package, before.remember, graphql=graphql)
        assert after.version == package.version
        if "stale" in package.traps and after.status is Status.UNCHANGED:
            continue  # the file is as it was, and nobody looks further
        assert after.status is Status.FOUND, (package, after)
        assert after.place is not None
        assert (after.place.how, after.place.path) == (before.place.how, before.place.path)
        assert after.requests <= 2 + bool(package.traps & {"renamed", "large"})
        if after.text is not None and before.place.how is not How.DESCRIPTION:
            assert after.text == package.text()


def test_an_unchanged_file_of_a_new_version_is_a_304(courier: Make) -> None:
    """The version is newer, the text is not: nothing is read again."""
    world = build(60, 1)
    package = next(
        p for p in world.packages.values() if p.where == "linked" and p.repo is not None
        and p.repo.host == "github"
    )  # fmt: skip
    for graphql in (True, False):
        carrier = courier(world)
        found = carrier.find(package, graphql=graphql)
        older = replace(found.remember, version="0.0.0", metadata_etag=None)
        again = carrier.find(package, older, graphql=graphql)
        assert again.status is Status.UNCHANGED
        assert again.requests <= 3
        assert again.version == package.version
        assert again.place == found.place
        assert again.remember == older  # its notes may follow: it is asked again


def test_notes_that_follow_a_release_are_not_missed(courier: Make) -> None:
    """A text that does not name the latest version yet is asked again, conditionally."""
    world = build(300, 5, traps={"stale": 0.3})
    package = next(
        p for p in world.packages.values() if p.where == "linked" and "stale" in p.traps
    )
    carrier = courier(world)
    found = carrier.find(package)
    assert (found.version, found.remember.version) == (package.version, None)
    again = carrier.find(package, found.remember)
    assert (again.status, again.version) == (Status.UNCHANGED, package.version)
    package.traps -= {"stale"}  # now they are written
    later = carrier.find(package, again.remember)
    assert later.text == package.text()
    assert later.remember.version == package.version
    assert carrier.find(package, later.remember).requests == 1


def test_a_successor_is_not_settled_by_the_package_that_became_it(courier: Make) -> None:
    """The old package stays as it is; the new one has a new version."""
    world = build(900, 5)
    package = next(p for p in world.packages.values() if p.successor)
    carrier = courier(world)
    found = carrier.find(package)
    heir = world.packages[package.ecosystem, str(package.successor)]
    assert found.text == heir.text()
    heir.current += 1
    again = carrier.find(package, found.remember)
    assert again.text == heir.text()
    assert again.remember.name == heir.name


def test_a_place_that_is_gone_is_searched_for_anew(courier: Make) -> None:
    """The repository moved its file; the old place answers 404."""
    world = build(60, 1)
    package = next(
        p for p in world.packages.values() if p.where == "file" and p.ecosystem == "npm"
        and not p.traps
    )  # fmt: skip
    for graphql in (True, False):
        carrier = courier(world)
        found = carrier.find(package, graphql=graphql)
        assert found.place is not None
        gone = replace(found.place, path="WHERE-IT-WAS.md")
        older = replace(found.remember, place=gone, version="0.0.0", metadata_etag=None)
        again = carrier.find(package, older, graphql=graphql)
        assert again.status is Status.FOUND
        assert again.text == package.text()
        assert again.place == found.place


def test_what_is_remembered_is_plain_json(courier: Make) -> None:
    """It is stored as it is, and read again."""
    for finding in (courier().find(p) for p in build(40, 1).packages.values()):
        stored = msgspec.json.encode(finding.remember)
        assert msgspec.json.decode(stored, type=Remembered) == finding.remember
