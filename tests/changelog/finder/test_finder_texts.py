"""Texts that point elsewhere, parts of descriptions, notes of renaming."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.changelog.finder.links import Elsewhere, FileLink, ReleasesLink, Repository
from ventil.changelog.finder.texts import (
    part_about_changes,
    points_to,
    successor,
    tells_of_releases,
)

REPOSITORY = Repository("github", "o/r")


@pytest.mark.parametrize(
    ("text", "path", "where"),
    [
        ("See https://github.com/o/r/releases.", "CHANGELOG.md", ReleasesLink(REPOSITORY)),
        (
            "[Moved](https://github.com/o/r/blob/main/docs/news.md)",
            "CHANGELOG.md",
            FileLink(REPOSITORY, "docs/news.md", None),
        ),
        ("# Log\n\nSee [here](docs/changes.md).", "CHANGELOG.md", "docs/changes.md"),
        (".. include:: ../CHANGES.rst\n", "docs/changelog.rst", "CHANGES.rst"),
        ("```{include} ../CHANGELOG.md\n```\n", "docs/changelog.md", "CHANGELOG.md"),
        ('--8<-- "CHANGELOG.md"', "docs/changelog.md", "docs/CHANGELOG.md"),
        ("../../CHANGELOG.md", "packages/a/CHANGELOG.md", "CHANGELOG.md"),
        ("see doc/history.rst for it", "CHANGES", "doc/history.rst"),
        ("../../../etc/passwd", "CHANGELOG.md", None),
        (".. include:: /../../secret", "CHANGELOG.md", None),
        (
            "Read https://example.org/changes",
            "CHANGELOG.md",
            Elsewhere("https://example.org/changes"),
        ),
        ("Nothing here yet.", "CHANGELOG.md", None),
        ("# 1.0.0\n\nSee https://github.com/o/r/releases", "CHANGELOG.md", None),
        ("x" * 4000 + " https://github.com/o/r/releases", "CHANGELOG.md", None),
    ],
)
def test_where_a_text_points(text: str, path: str, where: object) -> None:
    """Links, includes, symbolic links; never outside, and not when releases stand there."""
    assert points_to(text.encode(), path) == where


@pytest.mark.parametrize(
    "line",
    ["## 1.2.3", "v1.0", "[1.0.0] - 2020-01-01", "Version 2.0", "* 3.1: fixes", "name-1.0.2"],
)
def test_lines_that_tell_of_a_release(line: str) -> None:
    """Many spellings; prose about something else does not."""
    assert tells_of_releases(f"Changelog\n\n{line}\n".encode())
    assert not tells_of_releases(b"How to release\n\n1. Bump.\n2. Tag.\n")


def test_the_part_about_changes_ends_where_the_next_begins() -> None:
    """In Markdown and in reStructuredText; a part without a version is none."""
    markdown = "# x\n\n## Changelog\n\n### 1.0.0\n\n- One.\n\n## License\n\nMIT\n"
    part = part_about_changes(markdown)
    assert part == b"## Changelog\n\n### 1.0.0\n\n- One."
    rst = "x\n=\n\nChanges\n-------\n\n1.0 (2020-01-01)\n~~~~~~~~~~~~~~~~\n\n* One.\n"
    rst += "\nMore\n----\n"
    part = part_about_changes(rst)
    assert part is not None
    assert part.startswith(b"Changes")
    assert b"More" not in part
    assert part_about_changes("## Changelog\n\nSee the site.\n\n## 2.0 ideas\n") is None
    assert part_about_changes("## Usage\n\n1.0\n") is None


@pytest.mark.parametrize(
    ("note", "name"),
    [
        ("This package has been renamed to new-name.", "new-name"),
        ("Renamed to `fresh`", "fresh"),
        ("moved to @scope/name", "@scope/name"),
        ("Package moved to https://github.com/o/r", None),
        ("This package is now deprecated", None),
        ("Please use axios instead", None),
        ("request is deprecated, switch to node-fetch", None),
        ("has moved to TypeScript", None),
        ("A library to use python-dotenv with Django", None),
        ("now known as other_one", "other_one"),
        ("", None),
    ],
)
def test_only_a_renaming_names_a_successor(note: str, name: str | None) -> None:
    """Another project's changelog is not this package's."""
    assert successor(note) == name


@given(st.text(max_size=400), st.text(max_size=40))
def test_any_text_is_survived(text: str, path: str) -> None:
    """Whatever the text, an answer; and no path that leads outside."""
    where = points_to(text.encode("utf-8", "replace"), path)
    if isinstance(where, str):
        assert ".." not in where.split("/")
        assert not where.startswith("/")
    part_about_changes(text)
    successor(text)
