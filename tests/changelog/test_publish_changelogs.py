"""The site on disk: whole files, nothing good lost, nothing written twice."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path

import msgspec
import pytest

from ventil.changelog.document import Document, decode, entries_in, package_of
from ventil.changelog.render.pages import Site
from ventil.errors import OutputError, PublishError
from ventil.publish import changelogs
from ventil.publish.changelogs import (
    check_site,
    documents,
    publish_index,
    publish_package,
    stored,
    to_publish,
)

SITE = Site("Changelogs", None)
TEXT = "# C\n\n## 1.1.0 (2026-11-02)\n\n- more\n\n## 1.0.0 (2026-01-02)\n\n- first\n"


def a_document(name: str = "pot", text: str = TEXT, **changes: object) -> Document:
    """A package's."""
    document = Document(
        package=package_of(f"pkg:npm/{name}"),
        status="found",
        fetched_at=dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
        markup="markdown",
        releases=entries_in(text, "CHANGELOG.md"),
    )
    return msgspec.structs.replace(document, **changes)


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time of change and content."""
    return {
        p.relative_to(folder).as_posix(): (p.stat().st_mtime_ns, p.read_bytes())
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    """Neither when the same was fetched anew."""
    publish_package(tmp_path, a_document(), SITE)
    publish_index(tmp_path, SITE)
    before = state(tmp_path)
    later = a_document(fetched_at=dt.datetime(2026, 11, 22, tzinfo=dt.UTC))
    assert publish_package(tmp_path, later, SITE).written == 0
    assert publish_index(tmp_path, SITE).written == 0
    assert state(tmp_path) == before


def test_a_new_release_writes_what_it_changes(tmp_path: Path) -> None:
    """Its own page, its neighbour's (a link), the index, the feed and the document."""
    publish_package(tmp_path, a_document(), SITE)
    before = state(tmp_path)
    text = TEXT.replace("# C\n", "# C\n\n## 1.2.0 (2026-11-20)\n\n- newest\n")
    publish_package(tmp_path, a_document(text=text), SITE)
    after = state(tmp_path)
    changed = {name for name in after if before.get(name, (0, b""))[1] != after[name][1]}
    written = {name for name in after if before.get(name) != after[name]}
    assert "npm/pot/releases/1.2.0.html" in changed
    assert written == changed
    assert "npm/pot/releases/1.0.0.html" not in written


def test_pages_of_releases_that_are_no_more_go(tmp_path: Path) -> None:
    """With the document that no longer tells of them."""
    publish_package(tmp_path, a_document(), SITE)
    text = TEXT.replace("1.0.0", "0.9.0")
    assert publish_package(tmp_path, a_document(text=text), SITE).removed == 1
    assert not (tmp_path / "npm/pot/releases/1.0.0.html").exists()
    assert (tmp_path / "npm/pot/releases/0.9.0.html").exists()


def test_a_failure_never_wipes_what_was_good(tmp_path: Path) -> None:
    """The old releases stay, marked as carried, with the reason; success mends it."""
    publish_package(tmp_path, a_document(), SITE)
    failed = a_document(text="", status="failed", why="the host answers 500", fetched_at=None)
    for _ in range(2):
        publish_package(tmp_path, failed, SITE)
        document = stored(tmp_path, "npm", "pot")
        assert document is not None
        assert document.status == "carried"
        assert document.why == "the host answers 500"
        assert len(document.releases) == 2
        assert document.fetched_at == dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    assert (tmp_path / "npm/pot/releases/1.0.0.html").exists()
    publish_package(tmp_path, a_document(), SITE)
    document = stored(tmp_path, "npm", "pot")
    assert document is not None
    assert document.status == "found"
    assert to_publish(tmp_path, failed).status == "carried"
    assert to_publish(tmp_path / "elsewhere", failed).status == "failed"


def test_cut_short_at_any_file_it_is_made_again(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """No reader sees half a file, and the next run finishes the folder."""
    whole = tmp_path / "whole"
    publish_package(whole, a_document(), SITE)
    expected = {name: data for name, (_, data) in state(whole).items()}
    for stop_after in range(len(expected)):
        folder = tmp_path / str(stop_after)
        left = [stop_after]

        def full(_: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(changelogs, "crashpoint", full)
            with pytest.raises(PublishError, match="No space left"):
                publish_package(folder, a_document(), SITE)
        found = {name: data for name, (_, data) in state(folder).items()}
        assert all(data == expected[name] for name, data in found.items())
        publish_package(folder, a_document(), SITE)
        assert {name: data for name, (_, data) in state(folder).items()} == expected


def test_what_a_killed_process_left_is_taken_away(tmp_path: Path) -> None:
    """Its temporary files."""
    publish_package(tmp_path, a_document(), SITE)
    leftover = tmp_path / "npm/pot/releases/.99999.part"
    leftover.write_bytes(b"half")
    publish_package(tmp_path, a_document(text=TEXT + "\n- and\n"), SITE)
    assert not leftover.exists()


def test_the_index_lists_every_package(tmp_path: Path) -> None:
    """By name, with its newest release; the feed has the newest of all."""
    for name in ("pot", "%40acme/lid", "Kettle"):
        publish_package(tmp_path, a_document(name), SITE)
    nothing = a_document("jar", text="", status="none", why="none found")
    publish_package(tmp_path, nothing, SITE)
    publish_index(tmp_path, SITE)
    index = (tmp_path / "index.html").read_text()
    order = [index.index(f">{name}</a>") for name in ("@acme/lid", "jar", "Kettle", "pot")]
    assert order == sorted(order)
    assert 'href="npm/@acme/lid/index.html"' in index
    assert "no changelog" in index
    assert (tmp_path / "recent.atom").read_bytes().count(b"<entry>") == 6
    assert len(list(documents(tmp_path))) == 4


@pytest.mark.parametrize("base", [None, "https://notes.example.org/x"])
def test_the_feed_of_all_is_made_of_the_packages_feeds(
    tmp_path: Path, base: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their ids and links; nothing that strangers wrote is rendered for it again."""
    site = Site("Changelogs", base)
    publish_package(tmp_path, a_document("%40acme/pot"), site)
    publish_package(tmp_path, a_document("lid"), site)
    (tmp_path / "npm/lid/feed.atom").write_bytes(b"<feed")

    def never(*arguments: object) -> str:
        raise AssertionError("rendered")

    monkeypatch.setattr("ventil.changelog.render.pages.render_body", never)
    publish_index(tmp_path, site)
    feed = (tmp_path / "recent.atom").read_text()
    own = (tmp_path / "npm/@acme/pot/feed.atom").read_text()
    ids = re.findall(r"<entry><id>(.*?)</id>", own)
    assert len(ids) == 2
    assert re.findall(r"<entry><id>(.*?)</id>", feed) == ids
    where = f"{base}/npm/%40acme/pot" if base else "npm/%40acme/pot"
    assert f'href="{where}/releases/1.1.0.html"' in feed
    assert "&lt;li&gt;more&lt;/li&gt;" in feed


def test_a_long_index_has_pages(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Which shrink when packages go."""
    monkeypatch.setattr(changelogs, "PER_PAGE", 2)
    for name in "abcde":
        publish_package(tmp_path, a_document(name), SITE)
    publish_index(tmp_path, SITE)
    assert (tmp_path / "page-3.html").exists()
    assert 'href="page-2.html"' in (tmp_path / "index.html").read_text()
    monkeypatch.setattr(changelogs, "PER_PAGE", 4)
    publish_index(tmp_path, SITE)
    assert not (tmp_path / "page-3.html").exists()


def test_damaged_documents_are_left_out_and_made_again(tmp_path: Path) -> None:
    """A file that somebody broke does not stop the index."""
    publish_package(tmp_path, a_document(), SITE)
    publish_package(tmp_path, a_document("lid"), SITE)
    (tmp_path / "npm/pot/changelog.json").write_bytes(b"{")
    assert [d.package.name for d in documents(tmp_path)] == ["lid"]
    publish_index(tmp_path, SITE)
    (tmp_path / "npm/pot/changelog.json").unlink()
    publish_package(tmp_path, a_document(), SITE)
    assert decode((tmp_path / "npm/pot/changelog.json").read_bytes()) == a_document()


@pytest.mark.parametrize(
    "name", ["../x", "/x", "releases/../../x", "a/b/c", ".x", "releases/.x", "A", "x\0", ""]
)
def test_files_rendered_elsewhere_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    """Names that no page of ours has are refused."""
    with pytest.raises(PublishError, match="no page of ours"):
        publish_package(tmp_path, a_document(), SITE, {name: b"x"})


def test_hostile_names_stay_in_the_site(tmp_path: Path) -> None:
    """Whatever the package is called."""
    site = tmp_path / "site"
    for name in ("../../../escape", "..", "CON", "x" * 400, "a\x00b", "@../x"):
        package = msgspec.structs.replace(a_document().package, name=name)
        publish_package(site, a_document(package=package), SITE)
        assert stored(site, "npm", name) is not None
    assert [p.name for p in tmp_path.iterdir()] == ["site"]


def test_links_are_not_followed_out_of_the_site(tmp_path: Path) -> None:
    """A file that is a link is replaced, not written through."""
    outside = tmp_path / "outside.html"
    outside.write_text("mine")
    site = tmp_path / "site"
    publish_package(site, a_document(), SITE)
    index = site / "npm/pot/index.html"
    index.unlink()
    index.symlink_to(outside)
    publish_package(site, a_document(text=TEXT + "\n- and\n"), SITE)
    assert outside.read_text() == "mine"
    assert not index.is_symlink()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    """Is said before the first request."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write to the folder"):
        check_site(tmp_path / "file" / "site")
    check_site(tmp_path / "new" / "site")
    assert os.listdir(tmp_path / "new" / "site") == []
