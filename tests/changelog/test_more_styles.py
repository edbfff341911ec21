"""Shorter samples: one heading style each, two releases or one."""

from __future__ import annotations

import pytest

from ventil.changelog import parse

# Two headings each, with the same body below; the second is the older one.
HEADINGS = [
    ("0.2 - Unreleased", "0.1 - 2010-01-02", "---"),
    ("Version 0.3.0\nReleased 21 Jul 2010", "Version 0.2.0\nReleased 20 Jun 2010", ""),
    ("1.1.0 [2014-01-01]", "1.0.0 [2013-01-01]", ""),
    ("2014-01-01  1.1.0", "2013-01-01  1.0.0", ""),
    ("### v1.1.0 - 2014-01-01 - Espresso", "### v1.0.0 - 2013-01-01 - Mocha", ""),
    ("Changes in version 1.1.0 (2014-01-01)::", "Changes in version 1.0.0 (2013-01-01)::", ""),
    ("1.1.0:", "1.0.0:", ""),
    ("[1.1.0]", "[1.0.0]", ""),
    ("## 1.0.0 → 1.1.0", "## 0.9.0 → 1.0.0", ""),
    ("1.2.dev0 (unreleased)", "1.1 (2014-01-01)", "~~~"),
    (".. rubric:: Version 1.1", ".. rubric:: Version 1.0", ""),
    (":1.1: 2014-01-01", ":1.0: 2013-01-01", ""),
    ("Version 1.1 : 12/05/2010", "Version 1.0 : 11/25/2010", ""),
    ("``1.1.0``", "``1.0.0``", "-------"),
    ("== 1.1.0 2014-01-01", "== 1.0.0 2013-01-01", ""),
    ("#### 1.1.0", "#### 1.0.0", ""),
    ("<details><summary>1.1.0</summary>", "<details><summary>1.0.0</summary>", ""),
    ("Release Notes - Teapot - Version 1.1.0", "Release Notes - Teapot - Version 1.0.0", "==="),
    ("What's New in 1.1.0?", "What's New in 1.0.0?", "==="),
    ("1.1 (Mar 1 2010, r123)", "1.0 (Feb 1 2010, r100)", "---"),
    ("Teapot 1.0 to Teapot 1.1", "Teapot 0.9 to Teapot 1.0", "---"),
    ("1.1 (2012-01-01) Jane Doe", "1.0 (2011-01-01) Jane Doe", "==="),
    (
        "1.1 2012-01-01 Jane Doe <jane@example.org>",
        "1.0 2011-01-01 Jane <jane@example.org>",
        "",
    ),
    ("Version: 1.1.0\nDate: 2012-01-01", "Version: 1.0.0\nDate: 2011-01-01", ""),
    ("## Version v1.1.0", "## Version v1.0.0", ""),
    ("## release/1.1.0", "## release/1.0.0", ""),
    ("**Version 1.1.0:**", "**Version 1.0.0:**", ""),
    ("*   **1.1.0**", "*   **1.0.0**", ""),
    ("## :rocket: 1.1.0", "## :rocket: 1.0.0", ""),
    ("__1.1.0__ / 2012-01-01", "__1.0.0__ / 2011-01-01", ""),
    ("Teapot 1.1 (Earl Grey)", "Teapot 1.0 (Assam)", "==="),
    ("teapot-1.1.0 (2012-01-01)", "teapot-1.0.0 (2011-01-01)", ""),
    ("V1.1.0", "V1.0.0", "---"),
    ("v. 1.1.0", "v. 1.0.0", "---"),
    ("Release 1.1.0 (Jan 2 2012)", "Release 1.0.0 (Jan 2 2011)", "***"),
    ("1.1.0 (2012-01-01 12:30)", "1.0.0 (2011-01-01T12:30:00Z)", "'''"),
    ("Next: 1.1.0", "Current: 1.0.0", "---"),
    ("1.1.0-rc.1 (2012-01-01)", "1.1.0-beta.2 (2011-01-01)", "---"),
    ("1.1.0 <2012-01-01>", "1.0.0 <2011-01-01>", "---"),
    ("1.1.0 {2012-01-01}", "1.0.0 {2011-01-01}", "---"),
    ("`1.1.0`_ - 2012-01-01", "`1.0.0`_ - 2011-01-01", "---"),
    ("`1.1.0 <https://example.org/1.1.0>`_", "`1.0.0 <https://example.org/1.0.0>`_", "---"),
    ("## [1.1.0][1.1.0] - 2012-01-01", "## [1.0.0][1.0.0] - 2011-01-01", ""),
    ("## [[1.1.0]] - 2012-01-01", "## [[1.0.0]] - 2011-01-01", ""),
    ("== Version 1.1 ==", "== Version 1.0 ==", ""),
    ("*** Version 1.1 ***", "*** Version 1.0 ***", ""),
    ("v1.1 |release| 2012-01-01", "v1.0 |release| 2011-01-01", "---"),
    ("(1.1.0)", "(1.0.0)", "---"),
    ("'1.1.0'", "'1.0.0'", "---"),
    ('1.1.0 "Earl Grey"', '1.0.0 "Assam"', "---"),
    ("Bugfix release 1.1.1", "Feature release 1.1", "---"),
    ("1.1 (alpha)", "1.0", "---"),
    ("What’s new in version 1.1", "What’s new in version 1.0", "---"),
    ("Changelog 1.1", "Changelog 1.0", "---"),
    ("# Teapot v1.1", "# Teapot v1.0", ""),
    ("- **v1.1** - 2012-01-01", "- **v1.0** - 2011-01-01", ""),
    ("Release v1.1 [2012-01-01]", "Release v1.0 [2011-01-01]", ""),
    ("tag: v1.1", "tag: v1.0", "---"),
    ("Released 1.1 on 2012-01-01", "Released 1.0 on 2011-01-01", ""),
    ("1.1 released 2012-01-01", "1.0 released 2011-01-01", ""),
    ("1.1 was released on 2012-01-01.", "1.0 was released on 2011-01-01.", ""),
    ("@@ 1.1 @@", "@@ 1.0 @@", ""),
    ("Version 1.1, 2012-01-01, by Jane", "Version 1.0, 2011-01-01, by Jane", "---"),
    ("2012-01-01 (1.1)", "2011-01-01 (1.0)", "---"),
    ("Jan 1, 2012: Version 1.1", "Jan 1, 2011: Version 1.0", "---"),
    ("Mon, 02 Jan 2012 - v1.1", "Sun, 02 Jan 2011 - v1.0", ""),
]
EXPECTED = {
    "Teapot 1.0 to Teapot 1.1": ("1.1", "1.0"),
    "## 1.0.0 → 1.1.0": ("1.1.0", "1.0.0"),
    "1.1.0-rc.1 (2012-01-01)": ("1.1.0-rc.1", "1.1.0-beta.2"),
    "1.2.dev0 (unreleased)": ("1.2.dev0", "1.1"),
    "0.2 - Unreleased": ("0.2", "0.1"),
    "Version 0.3.0\nReleased 21 Jul 2010": ("0.3.0", "0.2.0"),
    "Bugfix release 1.1.1": ("1.1.1", "1.1"),
    "1.1 (alpha)": ("1.1", "1.0"),
}


def _text(first: str, second: str, rule: str, body: str) -> str:
    under = f"{rule * 6}\n" if rule else ""
    return f"Changes\n=======\n\n{first}\n{under}\n{body}\n\n{second}\n{under}\n{body}\n"


@pytest.mark.parametrize(("first", "second", "rule"), HEADINGS, ids=[h[0] for h in HEADINGS])
def test_a_style_of_heading(first: str, second: str, rule: str) -> None:
    """Two headings of a style make two releases, whose bodies are what stands below."""
    body = "  - Steam, as 0.0.7 of the kettle has it\n  - Fixed a drip (#42)"
    found = parse(_text(first, second, rule, body), "CHANGES.txt")
    expected = EXPECTED.get(first)
    if expected is None:
        whole = "1.1.0" in first
        expected = ("1.1.0", "1.0.0") if whole else ("1.1", "1.0")
    assert tuple(r.version for r in found) == expected
    for release, heading in zip(found, (first, second), strict=True):
        assert "drip" in release.body
        assert "Steam" in release.body
        if "201" in heading and "Version 1.1 : 12" not in first:
            assert release.date is not None
            assert str(release.date.year) in heading


@pytest.mark.parametrize(
    ("text", "version", "body"),
    [
        ("v0.1.0, 2012-01-01 -- Initial release.\n", "0.1.0", "Initial release."),
        ("0.1: Initial release.\n", "0.1", "Initial release."),
        ("0.1 Initial release\n", "0.1", "Initial release"),
        ("Version 0.1.0\n\n* Initial release.\n", "0.1.0", "* Initial release."),
        ("# Release 1.2.3\n\nAll new.\n", "1.2.3", "All new."),
        ("Changelog\n---------\n\n0.1\n+++\n\n* First\n", "0.1", "* First"),
        (
            "=======================\nTeapot 1.2.3 release notes\n=======================\n\n"
            "*September 10, 2010*\n\nWelcome to Teapot 1.2.3!\n",
            "1.2.3",
            "*September 10, 2010*\n\nWelcome to Teapot 1.2.3!",
        ),
    ],
)
def test_a_single_release(text: str, version: str, body: str) -> None:
    """A file that is known to be a changelog may have one release only."""
    found = parse(text, "CHANGES.txt")
    assert [(r.version, r.body) for r in found] == [(version, body)]


def test_lines_of_one_entry_each() -> None:
    """Entries of a line are releases, each with its line as body."""
    text = "# Changelog\n\n- v0.3: Add tea\n- v0.2: Add water\n- v0.1: Add a pot\n"
    found = parse(text, "CHANGELOG.md")
    assert [(r.version, r.body) for r in found] == [
        ("0.3", "Add tea"),
        ("0.2", "Add water"),
        ("0.1", "Add a pot"),
    ]


def test_a_date_as_heading_above() -> None:
    """A heading that is a date gives its date to the version right below."""
    text = "## 2020-02-02\n\n### v1.1.0\n- b\n\n## 2020-01-01\n\n### v1.0.0\n- a\n"
    found = parse(text, "CHANGELOG.md")
    assert [(r.version, str(r.date)) for r in found] == [
        ("1.1.0", "2020-02-02"),
        ("1.0.0", "2020-01-01"),
    ]


def test_a_commented_template_is_no_release() -> None:
    """What is indented under two dots is a comment of reStructuredText."""
    text = (
        "..\n    9.9 (unreleased)\n    ================\n\n    - what is new\n\n"
        "1.1 (2020-01-01)\n================\n- a\n\n1.0 (2019-01-01)\n================\n- b\n"
    )
    assert [r.version for r in parse(text, "CHANGES.rst")] == ["1.1", "1.0"]


def test_a_heading_in_a_literal_block_is_an_example() -> None:
    """It stands further in than the file's own headings."""
    text = "1.1\n===\n- write it so::\n\n    1.0.5\n    =====\n\n1.0\n===\n- b\n"
    assert [r.version for r in parse(text, "CHANGES.rst")] == ["1.1", "1.0"]


def test_headings_with_the_name_and_without_are_one_list() -> None:
    """As after a move of the project, when the older part keeps its style."""
    text = (
        "pot 2.1 (2020-01-01)\n====================\n\nBug fixes\n---------\n- a\n\n"
        "pot 2.0 (2019-01-01)\n====================\n- b\n\n1.9\n---\n- c\n\n1.8\n---\n- d\n"
    )
    assert [r.version for r in parse(text, "CHANGES.rst")] == ["2.1", "2.0", "1.9", "1.8"]


def test_a_text_about_one_release_begins_with_its_title() -> None:
    """Not with a later heading that names the version once more."""
    text = (
        f"{'=' * 28}\n What's new in Pot 5.7 (Lid)\n{'=' * 28}\n\n"
        "Preface\n=======\n- warm\n\nWhat's new in Pot 5.7\n=====================\n- hot\n"
    )
    (release,) = parse(text, "docs/whatsnew-5.7.rst")
    assert (release.version, release.span[0]) == ("5.7", 0)
    assert "warm" in release.body


def test_a_merge_log_under_a_title_is_the_body_of_its_release() -> None:
    """Bullets that mention versions, each in words of its own, are changes."""
    text = (
        "Pot 3.0\n=======\n\nRelease date: 7 January 2023\n\nMerged\n------\n\n"
        "- Designate 3.0b1 release\n- Draft 3.0 release notes (#62)\n"
        "- Pin to kettle 5.2.3 (#63)\n- Correctly point towards 2.8.8 in notes (#64)\n"
    )
    (release,) = parse(text, "doc/release_3.0.rst")
    assert (release.version, str(release.date)) == ("3.0", "2023-01-07")
    assert "Pin to kettle 5.2.3" in release.body


def test_a_word_joined_to_the_version_belongs_to_it() -> None:
    """A build's name before the date; words that say how the release stands do not."""
    text = "## 1.2.0-unreleased\n- c\n## 1.1.0-napi (2020-02-01)\n- b\n## 1.0.0\n- a\n"
    assert [r.version for r in parse(text)] == ["1.2.0", "1.1.0-napi", "1.0.0"]
