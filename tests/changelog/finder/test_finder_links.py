"""What a URL in metadata leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.changelog.finder.links import (
    Elsewhere,
    FileLink,
    ReleasesLink,
    Repository,
    Target,
    changelog_links,
    clean_path,
    origin_and_target,
    origin_fault,
    read_link,
    source_of,
)

GITHUB = Repository("github", "o/r")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("git+https://github.com/o/r.git", GITHUB),
        ("git://github.com/o/r.git", GITHUB),
        ("git@github.com:o/r.git", GITHUB),
        ("git+ssh://git@github.com/o/r.git", GITHUB),
        ("ssh://git@github.com:o/r.git", GITHUB),
        ("github:o/r", GITHUB),
        ("o/r", GITHUB),
        ("http://www.github.com/o/r/", GITHUB),
        ("github.com/o/r", GITHUB),
        ("https://github.com/o/r#readme", GITHUB),
        ("https://github.com/o/r/issues", GITHUB),
        (
            "https://github.com/o/r/tree/main/packages/x",
            Repository("github", "o/r", "packages/x"),
        ),
        ("https://github.com/o/r/blob/main/CHANGES.md", FileLink(GITHUB, "CHANGES.md", None)),
        ("https://github.com/o/r/blob/v1.2/a/CHANGES", FileLink(GITHUB, "a/CHANGES", "v1.2")),
        ("https://github.com/o/r/raw/HEAD/NEWS", FileLink(GITHUB, "NEWS", None)),
        (
            "https://raw.githubusercontent.com/o/r/master/NEWS",
            FileLink(GITHUB, "NEWS", None),
        ),
        ("https://github.com/o/r/releases/tag/v1", ReleasesLink(GITHUB)),
        ("gitlab:o/r", Repository("gitlab", "o/r")),
        ("https://gitlab.com/a/b/c", Repository("gitlab", "a/b/c")),
        (
            "https://gitlab.com/a/b/c/-/blob/main/NEWS.md",
            FileLink(Repository("gitlab", "a/b/c"), "NEWS.md", None),
        ),
        ("https://gitlab.com/a/b/-/releases", ReleasesLink(Repository("gitlab", "a/b"))),
        (
            "https://codeberg.org/a/b/src/branch/main/CHANGELOG.md",
            FileLink(Repository("codeberg", "a/b"), "CHANGELOG.md", None),
        ),
        (
            "https://docs.example.org/changes.html",
            Elsewhere("https://docs.example.org/changes.html"),
        ),
        (
            "https://github.com/sponsors/someone",
            Elsewhere("https://github.com/sponsors/someone"),
        ),
    ],
)
def test_every_spelling_leads_somewhere(text: str, target: Target) -> None:
    """Spellings that registries really hold."""
    assert read_link(text) == target


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "not a url",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://[",
        "a" * 9000,
        "https://github.com\n/o/r",
        "ftp://x.org/o/r",
    ],
)
def test_what_is_no_link_leads_nowhere(text: object) -> None:
    """Nothing is made of what nobody should follow."""
    assert read_link(text) is None


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    """No text raises, and no path leads outside."""
    target = read_link(text)
    if isinstance(target, FileLink):
        assert ".." not in target.path.split("/")
    origin_and_target(text)
    clean_path(text)


def test_labels_are_compared_as_pep_753_says() -> None:
    """Without punctuation and space, in lower case; "changelog" itself comes first."""
    urls = {
        "Release-Notes": "https://github.com/o/r/releases",
        "Change Log": "https://github.com/o/r/blob/main/NEWS",
        "Homepage": "https://example.org",
    }
    assert list(changelog_links(urls)) == [
        FileLink(GITHUB, "NEWS", None),
        ReleasesLink(GITHUB),
    ]
    assert source_of(urls) == GITHUB
    assert source_of({"Funding": "https://github.com/o/r"}) is None


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://files.example.org", True),
        ("https://registry.test.example", True),
        ("http://files.example.org", False),
        ("https://127.0.0.1", False),
        ("https://[::1]", False),
        ("https://169.254.169.254", False),
        ("https://localhost", False),
        ("https://vault.internal", False),
        ("https://intranet", False),
        ("https://files.example.org:8443", False),
        ("https://2130706433", False),
    ],
)
def test_an_answer_cannot_send_us_into_our_own_network(origin: str, allowed: bool) -> None:
    """Only https, the usual port and a public host's name, unless it is the registry's own."""
    assert (origin_fault(origin, "https://registry.test.example/npm") is None) is allowed


def test_a_simulation_may_name_its_own_ports() -> None:
    """The origin of the base URL is allowed, and on loopback other ports of it."""
    assert origin_fault("http://127.0.0.1:9", "http://127.0.0.1:8") is None
    assert origin_fault("http://10.0.0.1:9", "http://127.0.0.1:8") is not None
    assert origin_fault("https://127.0.0.1:9", "https://example.org") is not None
