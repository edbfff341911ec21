"""Catalogues: each form, each way to be wrong, and the place named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ventil.errors import SourceError
from ventil.providers.npm_names import name_fault
from ventil.sources import Catalogue, read_catalogue
from ventil.sources.catalogue import MAX_PROBLEMS


def read(data: bytes | str | list[Any] | dict[str, Any], name: str = "names.txt") -> Catalogue:
    """A catalogue of bytes, text, or what is to be JSON."""
    if isinstance(data, list | dict):
        data, name = json.dumps(data), "catalog.json"
    raw = data.encode() if isinstance(data, str) else data
    return read_catalogue(raw, name=name, name_fault=name_fault)


def problems(catalogue: Catalogue) -> list[tuple[str, str]]:
    """Place and value of each problem."""
    return [(problem.place, problem.value) for problem in catalogue.problems]


# Forms


def test_a_construct_hub_catalogue_counts_each_name_once() -> None:
    """A package stands there once for each major version."""
    entries = [("@s/a", 1), ("b", 0), ("@s/a", 2), ("@s/a", 3)]
    catalogue = read(
        {
            "updated": "2021-09-30T16:45:28.457Z",
            "packages": [{"name": n, "major": m, "languages": {}} for n, m in entries],
        }
    )
    assert catalogue == Catalogue(["@s/a", "b"], duplicates=2)


def test_a_stats_file_is_a_catalogue_too() -> None:
    """Its packages are an object; the names are its keys."""
    packages = {"@s/a": {"downloads": {"npm": 1}}, "b": {"downloads": {"npm": 0}}}
    catalogue = read({"packages": packages | {"B D": {}}, "updated": "2021-10-18T22:15:56Z"})
    assert catalogue.records == ["@s/a", "b"]
    assert problems(catalogue) == [('catalog.json: packages["B D"]', '"B D"')]


def test_arrays_of_names_and_of_objects() -> None:
    """Also mixed, and with fields that are of no interest."""
    assert read(["b", "a", "b"]) == Catalogue(["b", "a"], duplicates=1)
    assert read([{"name": "b", "version": 1}, "a"]).records == ["b", "a"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_text_has_a_name_a_line(newline: str, start: bytes) -> None:
    """Blank lines, comments, indentation, a byte-order mark and any newline are fine."""
    lines = ["# ours", "", "  @s/a  ", "b # a comment", "\t", "b", "", "#", "c"]
    catalogue = read(start + newline.join(lines).encode())
    assert catalogue == Catalogue(["@s/a", "b", "c"], duplicates=1)


def test_a_byte_order_mark_before_json() -> None:
    """As some editors write it."""
    assert read(b'\xef\xbb\xbf["a"]').records == ["a"]


def test_package_urls() -> None:
    """In any form of list; the version is left out, so two versions are one record."""
    text = "pkg:npm/%40s/a@1.2\npkg:npm/%40s/a@2.0\nPKG:npm/b\npkg:npm/@s/c?x=y#z\nd\n"
    assert read(text) == Catalogue(["@s/a", "b", "@s/c", "d"], duplicates=1)
    assert read(["pkg:npm/a"]).records == ["a"]
    assert read({"packages": [{"name": "pkg:npm/a@1"}]}).records == ["a"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("pkg:pypi/requests", "of type 'pypi'; only pkg:npm/"),
        ("pkg:npm/", "not a package URL"),
        ("pkg:", "not a package URL"),
        ("pkg:npm/s/a", "no scope"),
        ("pkg:npm/%40s/..", "dot segment"),
        ("pkg:npm/%40s/%2e%2e", "dot segment"),
        ("pkg:npm/Base64", "capitals"),
        ("pkg:npm/%40s/b/c", "'/'"),
    ],
)
def test_a_package_url_that_is_none_of_ours(url: str, said: str) -> None:
    """A problem with its reason, and the rest goes on."""
    catalogue = read(f"a\n{url}\n")
    assert catalogue.records == ["a"]
    (problem,) = catalogue.problems
    assert problem.place == "names.txt:2"
    assert said in problem.reason


# Problems


def test_a_bad_name_is_reported_with_its_place_and_the_rest_goes_on() -> None:
    """In each form."""
    catalogue = read("a\n\nb c\n" + "x" * 300 + "\n@s/..\nd")
    assert catalogue.records == ["a", "d"]
    assert problems(catalogue) == [
        ("names.txt:3", '"b c"'),
        ("names.txt:4", '"' + "x" * 60 + '…"'),
        ("names.txt:5", '"@s/.."'),
    ]
    assert str(catalogue.problems[1]).endswith("is 300 characters long, and npm allows 214")
    hub = read({"packages": [{"name": "a"}, {"name": "B C"}, {"name": None}, {"n": 1}, 7]})
    assert problems(hub) == [
        ("catalog.json: packages[1].name", '"B C"'),
        ("catalog.json: packages[2].name", "null"),
        ("catalog.json: packages[3]", '{"n": 1}'),
        ("catalog.json: packages[4]", "7"),
    ]
    assert problems(read(["a", "B C", ["d"]])) == [
        ("catalog.json: [1]", '"B C"'),
        ("catalog.json: [2]", '["d"]'),
    ]


@pytest.mark.parametrize("value", [None, True, 7, 7.5, [], {}, {"name": {}}, float("nan")])
def test_what_is_no_string_is_no_name(value: Any) -> None:
    """Said in words."""
    (problem,) = read(["a", value]).problems
    assert problem.reason.endswith(", not a name")


def test_a_problem_can_be_printed_whatever_stands_there() -> None:
    """Control characters, half surrogates and long values are escaped and cut."""
    for value in ("a\x1b[31m", "\ud800", "a\u202eb", "y" * 10_000, "a\nb"):
        (problem,) = read(["a", value]).problems
        text = str(problem)
        assert text.isprintable()
        assert text.encode()
        assert len(text) < 250


def test_problems_beyond_ten_thousand_are_counted() -> None:
    """They would cost more than they tell."""
    catalogue = read("a\n" + "B C\n" * 20_000)
    assert len(catalogue.problems) == MAX_PROBLEMS
    assert catalogue.problem_count == 20_000


# What cannot be read


@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["names.txt", "catalog.json"])
def test_an_empty_file(data: bytes, name: str) -> None:
    """Is no catalogue: an empty artefact would take its place."""
    with pytest.raises(SourceError, match=f"{name}: is empty"):
        read(data, name)


@pytest.mark.parametrize("data", [b"[]", b'{"packages": []}', b'{"packages": {}}', b"# none\n"])
def test_a_list_of_nothing(data: bytes) -> None:
    """Is refused for the same reason."""
    with pytest.raises(SourceError, match="lists no packages"):
        read(data)


def test_a_list_of_bad_names_only() -> None:
    """Is refused with the first of them."""
    with pytest.raises(SourceError, match=r"2 entries left out.*names.txt:1: \"A B\""):
        read("A B\nC D\n")


def test_bytes_that_are_not_utf_8() -> None:
    """Byte, line and offset are named, and UTF-16 is recognised."""
    with pytest.raises(SourceError, match="byte 0xff in line 2, offset 4") as caught:
        read(b"abc\n\xff\n")
    assert caught.value.hint is None
    with pytest.raises(SourceError, match="not UTF-8") as caught:
        read("a\nb\n".encode("utf-16"))
    assert "UTF-16" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            '{"packages": [\n  {"name": "a",}\n]}',
            "line 2, column 1[56]",
        ),  # from Python 3.13 on: the comma
        ('{"packages": [\n  {"name": "a"},\n', "line 3, column 1.*cut off"),
        ('{"packages": [{"name": "a', "line 1, column 24.*cut off"),
        ('["a" "b"]', "line 1, column 6"),
        ('{"packages": []} x', "line 1, column 18"),
        ("{", "line 1, column 2.*cut off"),
        ("[" * 100_000, "nested too deeply"),
        ("[" + "9" * 5_000 + "]", "malformed JSON"),
    ],
)
def test_malformed_json_is_shown_by_line_and_column(data: str, said: str) -> None:
    """And where it just ends, that it seems cut off."""
    with pytest.raises(SourceError, match=said) as caught:
        read(data, "catalog.json")
    assert caught.value.message.startswith("catalog.json: ")


def test_a_json_file_that_does_not_look_like_json() -> None:
    """By its name it is JSON, so it is not read as lines of names."""
    with pytest.raises(SourceError, match="malformed JSON in line 1, column 1"):
        read("packages:\n- a\n", "catalog.json")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ('{"results": [], "total": 1}', 'an object with "results", "total"'),
        ("{}", "an object with no keys"),
        ('{"packages": "a"}', 'a string as "packages"'),
        ('{"packages": null}', 'null as "packages"'),
        ('"a"', "found a string"),
        ("7", "found a number"),
        ("null", "found null"),
    ],
)
def test_json_of_another_shape_says_what_was_found(data: str, said: str) -> None:
    """And the hint says what was expected."""
    with pytest.raises(SourceError, match="another shape") as caught:
        read(data, "catalog.json")
    assert said in caught.value.message
    assert "packages" in (caught.value.hint or "")
