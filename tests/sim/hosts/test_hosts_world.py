"""Worlds: the same every time, with every trap, and a truth that holds."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from ventil.errors import SourceError
from ventil.sim.hosts import build
from ventil.sim.hosts.archives import archive
from ventil.sim.hosts.builder import TRAPS
from ventil.sim.hosts.main import read_purls, write_truth


def test_a_seed_makes_one_world() -> None:
    """Twice the same, and another for another seed."""
    first, second, other = build(100, 1), build(100, 1), build(100, 2)
    assert first.purls == second.purls
    for one, two in zip(first.packages.values(), second.packages.values(), strict=True):
        assert (one.where, one.traps, one.version) == (two.where, two.traps, two.version)
        assert one.text() == two.text()
        assert archive(one) == archive(two)
    assert first.purls != other.purls


def test_no_trap_is_left_out() -> None:
    """A world of a thousand has each of them, but for what is switched off."""
    world = build(1000, 0)
    assert len(world) == 1000
    seen = {trap for package in world.packages.values() for trap in package.traps}
    assert seen == {trap for trap, share in TRAPS.items() if share}


def test_the_truth_is_where_it_says() -> None:
    """Files are in their repositories, releases at their hosts, what ships in archives."""
    for package in build(400, 3).packages.values():
        if package.where in ("file", "linked"):
            assert package.repo is not None
            assert package.repo.exists
            files = package.repo.files()
            assert package.text() in files.values() or "points" in package.traps
        if package.where == "releases":
            assert package.repo is not None
            assert any(release.body for release in package.repo.releases())
        if package.ships and package.ecosystem in ("npm", "pypi"):
            with tarfile.open(fileobj=io.BytesIO(archive(package))) as opened:
                assert any(name.endswith(package.path) for name in opened.getnames())


def test_new_versions_come_out() -> None:
    """A share of the packages grows by one version, and its text with it."""
    world = build(100, 1)
    before = {p.purl: (p.version, p.text()) for p in world.packages.values()}
    grown = world.release(0.3, seed=4)
    assert 10 < len(grown) < 50
    for package in world.packages.values():
        changed = (package.version, package.text()) != before[package.purl]
        assert changed is (package.purl in grown)


def test_given_packages_and_their_truth(tmp_path: Path) -> None:
    """A file of package URLs in, a line of truth for each out."""
    listing = tmp_path / "purls.txt"
    listing.write_text("pkg:npm/%40a/b\npkg:pypi/c@1.0 # old\n\npkg:cargo/d\npkg:npm/%40a/b\n")
    world = build(packages=read_purls(listing))
    assert world.purls == ["pkg:npm/%40a/b", "pkg:pypi/c", "pkg:cargo/d"]
    write_truth(world, tmp_path / "truth.jsonl")
    lines = [json.loads(x) for x in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert [line["purl"] for line in lines] == world.purls
    listing.write_text("pkg:maven/x/y\n")
    with pytest.raises(SourceError, match=r"purls.txt:1: 'pkg:maven/x/y'"):
        read_purls(listing)
