"""Catalogues of packages of several ecosystems."""

from __future__ import annotations

import json

import pytest

from ventil.errors import SourceError
from ventil.sources.catalogue import Catalogue
from ventil.sources.packages import Named, read_packages

FAULTS = {
    "npm": lambda name: "holds white space" if " " in name else None,
    "pypi": lambda name: None,
    "gem": lambda name: None,
}


def read(text: str | object, ecosystem: str = "npm") -> Catalogue:
    """What is in a catalogue; keys are written plainly."""
    data = text if isinstance(text, str) else json.dumps(text)
    return read_packages(
        data.encode(), name="c", faults=FAULTS, key_of=plain, ecosystem=ecosystem
    )


def plain(package: Named) -> str:
    """A key that is easily compared."""
    return f"{package.ecosystem}:{package.name}={package.version}"


def test_names_are_of_the_ecosystem_that_is_said() -> None:
    """npm unless told otherwise; package URLs say it themselves."""
    text = "react\n@scope/name\npkg:pypi/requests\npkg:gem/rails@8.0.1\n"
    assert read(text).records == [
        "npm:react=None",
        "npm:@scope/name=None",
        "pypi:requests=None",
        "gem:rails=8.0.1",
    ]
    assert read("flask", "pypi").records == ["pypi:flask=None"]


def test_versions_come_along() -> None:
    """From a hub's catalogue and from package URLs, scopes and escapes included."""
    hub = {"packages": [{"name": "a", "version": "1.2.3", "languages": {}}, {"name": "b"}]}
    assert read(hub).records == ["npm:a=1.2.3", "npm:b=None"]
    assert read("pkg:npm/%40s/n@2.0.0-rc.1?x=y").records == ["npm:@s/n=2.0.0-rc.1"]
    assert read("pkg:npm/@s/n").records == ["npm:@s/n=None"]


def test_of_several_versions_the_highest_counts() -> None:
    """By its numbers; a release before its candidates; any before none."""
    versions = ["9.1.0", "10.0.0-rc.1", "10.0.0", "2.0.0", None]
    hub = {"packages": [{"name": "a", "version": version} for version in versions]}
    found = read(hub)
    assert found.records == ["npm:a=10.0.0"]
    assert found.duplicates == 4


def test_what_is_no_version_is_left_out() -> None:
    """The package is looked at without it."""
    for version in (7, "", "../x", "x" * 200, None, {"a": 1}):
        assert read([{"name": "a", "version": version}]).records == ["npm:a=None"]


def test_what_is_no_package_is_told_with_its_place() -> None:
    """Other ecosystems, faulty names, values that are no names."""
    found = read("good\na b\npkg:maven/org.x/y\npkg:nonsense\n")
    assert found.records == ["npm:good=None"]
    assert [(p.place, p.reason) for p in found.problems] == [
        ("c:2", "holds white space"),
        ("c:3", "is of type 'maven'; known are pkg:npm/, pkg:pypi/, pkg:gem/"),
        ("c:4", "is of type 'nonsense'; known are pkg:npm/, pkg:pypi/, pkg:gem/"),
    ]
    with pytest.raises(SourceError, match="holds no usable package; first: c: "):
        read([1])
