"""Merged notes between two versions, and the order of versions behind them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.changelog.document import Document, entries_in, package_of
from ventil.changelog.notes import notes_between
from ventil.changelog.ordering import is_prerelease, version_key

TEXT = """# Changes

## 19.1.0 - unreleased

- soon

## 19.0.0 (2024-12-05)

The big one.

### Breaking

- no more classes

### Added

- actions

## 19.0.0-rc.1 (2024-11-01)

- nearly

## 18.3.1

### Security

- a hole

### Fixed

- a crash

## 18.2.0 (2022-06-14)

### Added

- old news
"""


def a_document(ecosystem: str = "npm", text: str = TEXT) -> Document:
    """A pot's."""
    return Document(
        package=package_of(f"pkg:{ecosystem}/pot"),
        status="found",
        markup="markdown",
        releases=entries_in(text, "CHANGELOG.md"),
    )


def test_from_is_what_one_has_and_to_what_one_wants() -> None:
    """The first is left out, the last included; trailing zeros need not be written."""
    notes = notes_between(a_document(), "18.2", "19")
    assert [r.version for r in notes.releases] == ["19.0.0", "18.3.1"]
    assert notes.missing == ()
    assert notes.left_out == ("19.0.0-rc.1",)


def test_what_one_must_know_comes_first() -> None:
    """Breaking, then security; text outside of sections last; nothing is lost."""
    notes = notes_between(a_document(), "18.2.0", "19.0.0")
    kinds = [group.kind for group in notes.groups]
    assert kinds == ["breaking", "security", "added", "fixed", "other"]
    assert notes.groups[0].notes[0].text == "- no more classes"
    assert notes.groups[-1].notes[0].text.strip() == "The big one."


def test_open_ends() -> None:
    """None means from the beginning, and to the newest release."""
    notes = notes_between(a_document(), None, None)
    assert [r.version for r in notes.releases] == ["19.0.0", "18.3.1", "18.2.0"]
    everything = notes_between(a_document(), None, None, prereleases=True, unreleased=True)
    assert len(everything.releases) == 5


def test_prereleases_count_when_an_end_is_one() -> None:
    """Who comes from a candidate wants to know what came after it."""
    notes = notes_between(a_document(), "18.3.1", "19.0.0-rc.1")
    assert [r.version for r in notes.releases] == ["19.0.0-rc.1"]
    notes = notes_between(a_document(), "19.0.0-rc.1", "19.0.0")
    assert [r.version for r in notes.releases] == ["19.0.0"]


def test_missing_versions_are_named_with_their_neighbours() -> None:
    """And bound the range by their place all the same."""
    notes = notes_between(a_document(), "18.2.5", "18.9")
    assert [r.version for r in notes.releases] == ["18.3.1"]
    assert [str(m) for m in notes.missing] == [
        "18.2.5 is not in the changelog; nearest: 18.2.0 and 18.3.1",
        "18.9 is not in the changelog; nearest: 18.3.1 and 19.0.0-rc.1",
    ]
    assert notes_between(a_document(text=""), "1", "2").releases == ()


@pytest.mark.parametrize(("start", "end"), [("19", "18"), ("", "1"), ("new", None)])
def test_what_is_no_range(start: str, end: str | None) -> None:
    """Is refused."""
    with pytest.raises(ValueError, match=r"newer|no version"):
        notes_between(a_document(), start, end)


def test_several_packages_in_one_text() -> None:
    """Only the package's own releases count."""
    text = "# Log\n\n## pot@2.0.0\n\n- a\n\n## lid@3.0.0\n\n- b\n\n## pot@1.0.0\n\n- c\n"
    text += "\n## lid@1.0.0\n\n- d\n"
    notes = notes_between(a_document(text=text), "1.0.0", None)
    assert [r.body for r in notes.releases] == ["- a"]


ORDERED = {
    # semver.org, section 11
    "npm": "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11"
    " 1.0.0-rc.1 1.0.0 2.0.0 2.1.0 2.1.1 10.0.0",
    # PEP 440, "Summary of permitted suffixes and relative ordering"
    "pypi": "1.dev0 1.0.dev456 1.0a1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2"
    " 1.0b2.post345.dev456 1.0b2.post345 1.0rc1.dev456 1.0rc1 1.0 1.0.post456.dev34"
    " 1.0.post456 1.0.15 1.1.dev1 1!0.1",
    # Gem::Version
    "gem": "0.9 1.0.a 1.0.a2 1.0.b1 1.0.rc1 1.0 1.0.1 1.1.a 1.1 1.1.0.1 1.10",
}


@pytest.mark.parametrize("ecosystem", ORDERED)
def test_versions_in_the_order_of_their_ecosystem(ecosystem: str) -> None:
    """As its specification lists them."""
    for before, after in pairwise(ORDERED[ecosystem].split()):
        assert version_key(ecosystem, before) < version_key(ecosystem, after), (before, after)


@pytest.mark.parametrize("ecosystem", ["npm", "cargo", "pypi", "gem", "golang"])
def test_the_same_version_in_other_words(ecosystem: str) -> None:
    """Trailing zeros and a leading v make no difference."""
    for a, b in [("1.0.0", "1"), ("v1.2.0", "1.2"), ("0.0.0", "0")]:
        assert version_key(ecosystem, a) == version_key(ecosystem, b)


def test_prereleases_of_each_ecosystem() -> None:
    """A hyphen, PEP 440's letters, any letter."""
    assert is_prerelease("npm", "1.0.0-x")
    assert not is_prerelease("npm", "1.0.0+x")
    assert is_prerelease("pypi", "1.0rc1")
    assert not is_prerelease("pypi", "1.0.post1")
    assert is_prerelease("gem", "1.0.beta")


@given(
    st.lists(st.text("0123456789.-abrcvx+!_ ", max_size=12) | st.text(max_size=8), max_size=6),
    st.sampled_from(["npm", "pypi", "gem", "cargo"]),
)
def test_any_texts_can_be_sorted(texts: list[str], ecosystem: str) -> None:
    """Whatever stands where a version should."""
    keys = sorted(version_key(ecosystem, text) for text in texts)
    assert keys == sorted(keys)
