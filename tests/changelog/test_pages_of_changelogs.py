"""The files of a site: pages, feeds, JSON."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.changelog.document import Document, Place, Tried, entries_in, package_of
from ventil.changelog.notes import notes_between
from ventil.changelog.render.addresses import folder_of, segment, slugs, web_address
from ventil.changelog.render.pages import Site, notes_page, package_files, site_page, summary_of

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "src/ventil/changelog/document.schema.json").read_text())
ATOM = "{http://www.w3.org/2005/Atom}"
SITE = Site("Notes & more", "https://notes.example.org/")
TEXT = """# Changes

## 2.0.0 (2026-11-02)

### Breaking

- no handle, see #4

## 1.1.0

- more

## 1.0.0 (2026-01-02)

- first
"""


def a_document(text: str = TEXT, **changes: object) -> Document:
    """A pot's."""
    document = Document(
        package=package_of("pkg:npm/%40acme/pot", repository="https://github.com/acme/pot"),
        status="found",
        place=Place(how="archive", filename="package/CHANGELOG.md"),
        fetched_at=dt.datetime(2026, 11, 21, 5, 0, tzinfo=dt.UTC),
        markup="markdown",
        releases=entries_in(text, "CHANGELOG.md"),
    )
    return msgspec.structs.replace(document, **changes)


def a_feed(text: str = TEXT) -> ElementTree.Element:
    """The pot's feed, parsed."""
    data = package_files(a_document(text), SITE)["feed.atom"]
    return ElementTree.fromstring(data)  # noqa: S314 - our own


NOTHING = a_document(
    "",
    status="none",
    place=None,
    why="no file and no releases",
    tried=(Tried(how="archive", where="pot.tgz", result="12 files, none a changelog"),),
)


def test_the_files_of_a_package() -> None:
    """A page of all releases, one of each, the feed and the document, which comes last."""
    files = package_files(a_document(), SITE)
    assert list(files)[-2:] == ["index.html", "changelog.json"]
    assert set(files) == {
        "changelog.json",
        "feed.atom",
        "index.html",
        "releases/1.0.0.html",
        "releases/1.1.0.html",
        "releases/2.0.0.html",
    }
    assert package_files(a_document(), SITE) == files
    index = files["index.html"].decode()
    for piece in (
        '<article class="release" id="v-2.0.0">',
        'href="releases/2.0.0.html"',
        'href="https://github.com/acme/pot/issues/4"',
        '<span class="tag breaking">breaking</span>',
        "no date written",
        'href="../../../index.html"',
        "Notes &amp; more",
    ):
        assert piece in index, piece
    page = files["releases/1.1.0.html"].decode()
    assert 'href="2.0.0.html" rel="next"' in page
    assert 'href="1.0.0.html" rel="prev"' in page


def test_no_page_lets_a_script_run_or_asks_anybody_for_anything() -> None:
    """The policy stands in each page: nothing but its own style, known by its hash."""
    pages = {
        **package_files(a_document(), SITE),
        "site": site_page([summary_of(NOTHING)], SITE, page=1, pages=1, packages=1, releases=0),
        "notes": notes_page(a_document(), notes_between(a_document(), None, None)),
    }
    for name, data in pages.items():
        if name.endswith((".json", ".atom")):
            continue
        text = data.decode()
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
        assert policy is not None
        assert "default-src 'none'; style-src 'sha256-" in policy[1]
        assert "base-uri 'none'; form-action 'none'" in policy[1]
        assert not re.search(r"<(?:script|img|iframe|form|object|embed)\b", text)
        assert not re.search(r'<link rel="(?!alternate)', text)


def test_a_package_without_a_changelog_says_why() -> None:
    """And what was tried; it has no feed."""
    files = package_files(NOTHING, SITE)
    assert set(files) == {"index.html", "changelog.json"}
    index = files["index.html"].decode()
    for piece in ("No changelog was found", "No file and no releases.", "none a changelog"):
        assert piece in index


def test_where_it_was_found_stands_below() -> None:
    """With a link where there is a page to open."""
    for place, said in [
        (
            Place(how="archive", filename="C.md", url="pkg:npm/x#C.md"),
            "in the published archive",
        ),
        (Place(how="description", url="pkg:pypi/x"), "in the package&#39;s description"),
        (Place(how="file", filename="docs/C.md", url="https://e.org/C.md"), ">docs/C.md</a>"),
    ]:
        assert said in package_files(a_document(place=place), SITE)["index.html"].decode()


def test_relative_links_start_where_the_file_lies() -> None:
    """In the folder of the repository that it was found in."""
    text = "# C\n\n## 1.1\n\n- [x](x.md)\n\n## 1.0\n\n- y\n"
    url = "https://github.com/acme/pot/blob/HEAD/docs/C.md"
    place = Place(how="file", filename="docs/C.md", url=url)
    index = package_files(a_document(text, place=place), SITE)["index.html"].decode()
    assert 'href="https://github.com/acme/pot/blob/HEAD/docs/x.md"' in index


def test_carried_content_says_that_it_is_old() -> None:
    """With the reason of the failure."""
    files = package_files(a_document(status="carried", why="the host answers 500."), SITE)
    assert "may be out of date" in files["index.html"].decode()
    assert "the host answers 500." in files["index.html"].decode()


def test_the_feed_is_atom() -> None:
    """What RFC 4287 asks for, with absolute links, and dated releases only."""
    feed = a_feed()
    assert feed.findtext(f"{ATOM}id") == "tag:notes.example.org,2026:pkg:npm/%40acme/pot"
    assert feed.findtext(f"{ATOM}updated") == "2026-11-02T00:00:00Z"
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links["self"] == "https://notes.example.org/npm/%40acme/pot/feed.atom"
    entries = feed.findall(f"{ATOM}entry")
    assert [e.findtext(f"{ATOM}title") for e in entries] == [
        "@acme/pot 2.0.0",
        "@acme/pot 1.0.0",
    ]
    for entry in entries:
        assert entry.findtext(f"{ATOM}id", "").startswith("tag:notes.example.org,2026:pkg:npm/")
        assert entry.findtext(f"{ATOM}updated")
        content = entry.find(f"{ATOM}content")
        assert content is not None
        assert content.get("type") == "html"
        link = entry.find(f"{ATOM}link")
        assert link is not None
        assert str(link.get("href")).startswith("https://notes.example.org/npm/")


def test_ids_in_the_feed_stay_when_a_release_is_added() -> None:
    """Readers must not be told of old releases again."""

    def ids(text: str) -> set[str]:
        feed = a_feed(text)
        return {e.findtext(f"{ATOM}id", "") for e in feed.findall(f"{ATOM}entry")}

    newer = TEXT.replace("# Changes\n", "# Changes\n\n## 2.0.1 (2026-11-03)\n\n- fix\n", 1)
    assert ids(newer) > ids(TEXT)


def test_control_characters_do_not_break_the_feed() -> None:
    """XML cannot hold them."""
    text = (
        "# C\n\n## 1.1 (2026-01-03)\n\n- a\x0b\x00\ufffe\n\n## 1.0 (2026-01-02)\n\n- b\x1b[1m\n"
    )
    a_feed(text)


def test_the_schema_is_current() -> None:
    """`make docs` was run after the last change of the data model."""
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "changelog_schema.py", "--check"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("document", [a_document(), NOTHING])
def test_published_json_fits_its_schema(document: Document) -> None:
    """Formats included; the schema is one itself."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    published = json.loads(package_files(document, SITE)["changelog.json"])
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(published)
    broken = {**published, "status": "odd"}
    assert not validator.is_valid(broken)
    assert not validator.is_valid({**published, "format": 2})


def test_many_releases() -> None:
    """Ten are told in full, all are listed, each has its page."""
    text = "# C\n" + "".join(f"\n## 1.{n}.0\n\n- change {n}\n" for n in range(300, 0, -1))
    files = package_files(a_document(text), SITE)
    index = files["index.html"].decode()
    assert index.count('<article class="release"') == 10
    assert index.count('href="releases/1.') == 300
    assert len([name for name in files if name.startswith("releases/")]) == 300


def test_a_version_twice_has_two_pages() -> None:
    """And the older keeps its name when the newer comes."""
    text = "# C\n\n## 1.0.0\n\n- again\n\n## 0.9\n\n- x\n\n## 1.0.0\n\n- first\n"
    document = a_document("", releases=entries_in(text, "CHANGES.md"))
    files = package_files(document, SITE)
    assert len([name for name in files if name.startswith("releases/1.0.0")]) == len(
        [r for r in document.releases if r.version == "1.0.0"]
    )


NAMES = [
    "pot", "Pot", "@acme/pot", "@Acme/pot", "../../etc/passwd", "..", ".", "", "a/b", "a\\b",
    "/abs", "con", "CON", "aux.txt", "com1", "x" * 300, "x" * 299 + "y", "@/x", "@a/",
    "@a/b/c", "@../x", "\u00e9", "e\u0301", "a b", "a\x00b", "~2e", "%2e%2e", "a.", "a:b",
    "-rf", "!x", "~-x",
    "index.html", "\ud800", "@acme",
]  # fmt: skip


def test_names_have_folders_of_their_own() -> None:
    """None leads out of the site, none meets another's, where case is ignored too."""
    folders = [folder_of("npm", name) for name in NAMES]
    assert len({folder.lower() for folder in folders}) == len(NAMES)
    for folder in folders:
        assert folder == folder.lower()
        assert folder.startswith("npm/")
        assert re.fullmatch(r"[a-z0-9@!~_.-]+(/[a-z0-9@!~_.-]+){1,2}", folder)
        assert not any(part in {".", "..", ""} for part in folder.split("/"))
        assert all(len(part) <= 101 for part in folder.split("/"))


@given(st.lists(st.text(max_size=30) | st.from_regex(r"[A-Za-z0-9.@/~!-]{1,12}"), unique=True))
def test_any_names_have_folders_of_their_own(names: list[str]) -> None:
    """The same as a law."""
    folders = [folder_of("npm", name) for name in names]
    assert len({folder.casefold() for folder in folders}) == len(names)
    assert all(re.fullmatch(r"npm/(@[a-z0-9!~_.-]+/)?[a-z0-9!~_.-]+", f) for f in folders)
    assert all(segment(name) not in {".", ".."} for name in names)


@given(st.lists(st.sampled_from(["1.0", "1.0~-2", "2", "", "1.0RC1", "1.0rc1"])))
def test_slugs_are_unique(versions: list[str]) -> None:
    """Whatever the versions, doubles included."""
    made = slugs(versions)
    assert len({slug.lower() for slug in made}) == len(versions)


def test_web_addresses() -> None:
    """Only those that a page may link to."""
    assert web_address("git+https://github.com/a/b.git") == "https://github.com/a/b"
    for address in (None, "javascript:x", 'https://a"b', "ssh://x/y", "https://a b", "x"):
        assert web_address(address) is None
