"""Documents: what is stored per package, as JSON."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from ventil.changelog import document as documents
from ventil.changelog.document import Document, Place, decode, encode, entries_in, package_of

TEXT = "# Changes\n\n## 1.1.0 (2026-11-02)\n\n### Added\n\n- more\n\n## 1.0.0\n\n- first\n"


def a_document() -> Document:
    """One with two releases."""
    return Document(
        package=package_of("pkg:npm/%40acme/pot@1.1.0", latest_version="1.1.0"),
        status="found",
        place=Place(how="archive", filename="package/CHANGELOG.md", etag='"1"'),
        fetched_at=dt.datetime(2026, 11, 21, 5, 0, tzinfo=dt.UTC),
        markup="markdown",
        releases=entries_in(TEXT, "CHANGELOG.md"),
    )


def test_a_document_survives_the_way_through_json() -> None:
    """What is decoded is what was encoded; times and dates are written as RFC 3339 has them."""
    document = a_document()
    data = encode(document)
    assert decode(data) == document
    assert b'"fetched_at":"2026-11-21T05:00:00Z"' in data
    assert b'"date":"2026-11-02"' in data


def test_a_package_is_known_by_its_url() -> None:
    """The version in a package URL is not part of the key; the scope is part of the name."""
    package = a_document().package
    assert package.purl == "pkg:npm/%40acme/pot"
    assert (package.ecosystem, package.name) == ("npm", "@acme/pot")


def test_capitals_in_names_are_kept() -> None:
    """JSONStream and jsonstream are two packages of npm."""
    package = package_of("pkg:npm/JSONStream@1.3.5?x=y#z")
    assert (package.purl, package.name) == ("pkg:npm/JSONStream", "JSONStream")
    assert package_of("pkg:npm/%40Acme/Pot").name == "@Acme/Pot"
    assert package_of("pkg:pypi/Foo_Bar").name == "foo-bar"


def test_when_it_was_fetched_is_not_what_it_says() -> None:
    """Fetched anew with the same content, a document has the same digest."""
    document = a_document()
    later = msgspec.structs.replace(
        document, fetched_at=document.fetched_at + dt.timedelta(1), place=Place(how="archive")
    )
    again = msgspec.structs.replace(
        later, place=msgspec.structs.replace(document.place, etag='"2"')
    )
    assert documents.digest(again) == documents.digest(document)
    assert documents.digest(later) != documents.digest(document)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"package": 1}', b"\xff", b"[" * 100_000, b'{"status":"odd"}']
)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    """With a ValueError that says so."""
    with pytest.raises(ValueError, match="no changelog document"):
        decode(data)


def test_a_newer_format_is_refused() -> None:
    """And not misread."""
    newer = encode(msgspec.structs.replace(a_document(), format=2))
    with pytest.raises(ValueError, match="format 2"):
        decode(newer)


def test_the_newest_release_first() -> None:
    """Whichever way the text runs."""
    rising = "# Changes\n\n## 1.0\n\n- a\n\n## 1.1\n\n- b\n\n## 1.2\n\n- c\n"
    listed = documents.newest_first(entries_in(rising, "CHANGES.md"))
    assert [r.version for r in listed] == ["1.2", "1.1", "1.0"]
    listed = documents.newest_first(entries_in(TEXT, "CHANGES.md"))
    assert [r.version for r in listed] == ["1.1.0", "1.0.0"]
