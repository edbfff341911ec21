"""Laws of catalogues: any bytes are one or are refused, and no name is invented."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from packageurl import PackageURL

from ventil.errors import SourceError
from ventil.providers.npm_names import name_fault
from ventil.sources import Catalogue, read_catalogue
from ventil.sources.catalogue import (
    _USUAL_URL,
    _collect,
    _from_hub,
    _from_json,
    package_url,
)

part = st.text("ab1-._", min_size=1, max_size=4)
names = part | st.builds("@{}/{}".format, part, part)
urls = st.builds("pkg:npm/%40{}/{}@{}".format, part, part, part)
pieces = (
    names
    | urls
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "\n",
            "\r\n",
            "#",
            "pkg:",
            "pkg:npm/",
            "{",
            "[",
            '"packages"',
            ":",
            ",",
            "]",
            "}",
            "\ufeff",
        ]
    )
)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | names | urls | st.text(max_size=8)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["name", "packages", "version"]) | names, inner, max_size=4
        )
    ),
    max_leaves=20,
)


def read(data: bytes, name: str = "list") -> Catalogue | None:
    """The catalogue, or None when it is refused."""
    refusal = None
    try:
        return read_catalogue(data, name=name, name_fault=name_fault)
    except SourceError as error:
        refusal = error.message
    assert refusal.startswith(f"{name}: ")
    assert refusal.isprintable()
    return None


def check(catalogue: Catalogue | None) -> None:
    """What holds for every catalogue."""
    if catalogue is None:
        return
    assert catalogue.records
    assert len(set(catalogue.records)) == len(catalogue.records)
    assert all(name_fault(name) is None for name in catalogue.records)
    assert catalogue.problem_count == len(catalogue.problems)
    assert all(str(problem).isprintable() for problem in catalogue.problems)


@given(st.binary(max_size=80), st.sampled_from(["list", "list.json"]))
@example(b"[" * 100_000, "list")
@example(b'{"packages":' * 100_000, "list")
def test_any_bytes(data: bytes, name: str) -> None:
    """A catalogue or a `SourceError`, nothing else."""
    check(read(data, name))


@given(st.lists(pieces, max_size=12), st.sampled_from(["list", "list.json"]))
def test_any_text(parts: list[str], name: str) -> None:
    """The same for text that comes near to being one."""
    check(read("".join(parts).encode("utf-8", "surrogatepass"), name))


@given(values)
def test_any_json(value: Any) -> None:
    """And for any JSON."""
    check(read(json.dumps(value).encode()))


entries = st.dictionaries(st.sampled_from(["name", "a", "packages"]), values, max_size=3)


@given(
    st.lists(names.map(lambda name: {"name": name}) | entries, max_size=8),
    st.dictionaries(st.sampled_from(["updated", "name"]), values, max_size=2),
)
def test_the_short_way_through_a_hubs_catalogue_changes_nothing(
    packages: list[Any], others: dict[str, Any]
) -> None:
    """Names taken out at once, or everything read first: the same catalogue."""
    data = json.dumps({"packages": packages} | others).encode()
    short = _from_hub(data, "list")
    if short is not None:
        long = _from_json(json.loads(data), "list")
        assert _collect(short, name_fault, "npm") == _collect(long, name_fault, "npm")


@given(st.lists(names, min_size=1, max_size=30))
def test_every_form_of_one_list_is_one_catalogue(listed: list[str]) -> None:
    """Lines, an array, a Construct Hub's objects: same records, duplicates and problems."""
    forms = [
        "\n".join(listed).encode(),
        json.dumps(listed).encode(),
        json.dumps([{"name": name} for name in listed]).encode(),
        json.dumps({"packages": [{"name": name, "major": 1} for name in listed]}).encode(),
    ]
    read_as = [read(form) for form in forms]
    first = read_as[0]
    for other in read_as:
        assert (first is None) == (other is None)
        if first and other:
            assert first.records == other.records
            assert first.duplicates == other.duplicates
            assert first.problem_count == other.problem_count
    if first:
        assert first.records == [n for n in dict.fromkeys(listed) if name_fault(n) is None]
        assert len(first.records) + first.duplicates + first.problem_count == len(listed)


@given(
    st.sampled_from(["", "%40", "@", "%40a/", "@b-1/", "a/", "/"]),
    part,
    st.sampled_from(
        ["", "@1", "@1.0.0-rc.1+x", "@^1", "@", "?a=b", "#a", "@1?a=b", "@@1", "/"]
    ),
)
def test_the_short_way_through_apackage_url_leads_where_the_long_one_does(
    scope: str, name: str, rest: str
) -> None:
    """The usual form is read without the library, and to the same name."""
    url = f"pkg:npm/{scope}{name}{rest}"
    if _USUAL_URL.fullmatch(url):
        by_library = PackageURL.from_string(url)
        parts = [part for part in (by_library.namespace, by_library.name) if part]
        assert package_url(url, "npm") == ("/".join(parts), None)
