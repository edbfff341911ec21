"""Which file is the changelog, by name alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.changelog.finder.names import choose, may_be_changelog


@pytest.mark.parametrize(
    ("paths", "best"),
    [
        (["README.md", "CHANGELOG.md", "HISTORY.md"], "CHANGELOG.md"),
        (["Changes", "LICENSE"], "Changes"),
        (["NEWS", "ChangeLog"], "NEWS"),
        (["ChangeLog", "README"], "ChangeLog"),
        (["docs/changelog.rst", "RELEASE.md"], "docs/changelog.rst"),
        (["node_modules/x/CHANGELOG.md", "HISTORY.md"], "HISTORY.md"),
        (["CHANGELOG.zh-CN.md", "CHANGELOG.en-US.md"], "CHANGELOG.en-US.md"),
        (["CHANGELOG.zh-CN.md", "CHANGELOG.md"], "CHANGELOG.md"),
        (["CHANGELOG-1.x.md", "CHANGELOG-10.x.md", "CHANGELOG-2.x.md"], "CHANGELOG-10.x.md"),
        (["CHANGES.old", "CHANGES"], "CHANGES"),
        (["changelog.js", "lib/changelog.ts", "release-notes.txt"], "release-notes.txt"),
        (["doc/source/whatsnew.rst"], "doc/source/whatsnew.rst"),
        (["CHANGES.rst.txt"], "CHANGES.rst.txt"),
        (["docs/release_notes.md", "docs/history.md"], "docs/release_notes.md"),
    ],
)
def test_the_likeliest_name_wins(paths: list[str], best: str) -> None:
    """Names, extensions, series and languages are told apart."""
    assert choose(paths)[0] == best


@pytest.mark.parametrize(
    "path",
    [
        "vendor/lib/CHANGELOG.md",
        "node_modules/a/HISTORY.md",
        "tests/fixtures/CHANGELOG.md",
        "src/changelog/index.js",
        "examples/CHANGES",
        "third_party/zlib/ChangeLog",
        "CHANGELOG.js",
        "changelog.config.json",
        "newsletter.md",
        "HISTORYBOOK.md",
        "../CHANGELOG.md",
        "/CHANGELOG.md",
        "CHANGELOG.md/../../x/CHANGES",
    ],
)
def test_what_is_not_the_packages_own_is_left_out(path: str) -> None:
    """Vendored folders, code, hostile paths."""
    assert choose([path]) == []


def test_the_packages_own_folder_comes_before_the_root_of_a_monorepo() -> None:
    """With the folder named by the metadata, and without."""
    paths = ["CHANGELOG.md", "packages/a/CHANGELOG.md", "packages/b/CHANGELOG.md"]
    assert choose(paths, folder="packages/b", name="@s/b")[0] == "packages/b/CHANGELOG.md"
    assert choose(paths, name="@s/b")[0] == "packages/b/CHANGELOG.md"
    assert choose(paths, name="c") == ["CHANGELOG.md"]
    assert choose(paths, folder="packages/c") == ["CHANGELOG.md"]


def test_the_file_named_after_the_package_is_its_changelog() -> None:
    """Several packages may keep their files side by side."""
    assert choose(["CHANGELOG-core.md", "CHANGELOG-cli.md"], name="cli") == ["CHANGELOG-cli.md"]


@given(st.lists(st.text(max_size=60), max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_names_are_survived(paths: list[str], folder: str, name: str) -> None:
    """What is chosen is among what was given, and could be one."""
    chosen = choose(paths, folder=folder, name=name)
    assert set(chosen) <= set(paths)
    assert all(isinstance(may_be_changelog(path), bool) for path in paths)
