"""Laws of the changelog parser that hold for any text."""

from __future__ import annotations

import dataclasses
import datetime
import json
import random
import time
import tracemalloc

import pytest
from bench.changelog.fuzz import PIECES
from bench.changelog.hostile import KINDS
from hypothesis import given, settings
from hypothesis import strategies as st

from ventil.changelog import Release, parse, release_as_data
from ventil.changelog.versions import normalise, order

NEARLY = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
TEXTS = st.one_of(st.text(max_size=300), NEARLY)
NAMES = st.one_of(st.none(), st.sampled_from(["CHANGES.rst", "README.md", "docs/1.0.md", "x"]))


@given(TEXTS, NAMES)
@settings(deadline=None, max_examples=400)
def test_any_text_gives_ordered_spans_and_pieces_of_itself(text: str, name: str | None) -> None:
    """Spans follow one another inside the text, bodies are pieces of it, and all are typed."""
    found = parse(text, name)
    previous = 0
    lines = text.count("\n") + text.count("\r") + 1
    for release in found:
        first, after = release.span
        assert previous <= first < after <= lines
        previous = after
        assert release.body in text
        assert not release.body or release.body.strip()
        assert release.version
        assert not release.version[0].isspace()
        assert release.date is None or type(release.date) is datetime.date
        for section in release.sections:
            assert section.text in release.body
        json.dumps(release_as_data(release))


@given(st.binary(max_size=400), NAMES)
@settings(deadline=None)
def test_any_bytes_are_read(data: bytes, name: str | None) -> None:
    """Bytes of no encoding in particular raise nothing."""
    assert isinstance(parse(data, name), list)


@given(NEARLY)
@settings(deadline=None)
def test_bytes_and_text_agree(text: str) -> None:
    """UTF-8 gives what the text gives, with and without a byte-order mark."""
    data = text.encode()
    assert parse(data) == parse(text)
    assert parse(b"\xef\xbb\xbf" + data) == parse(text)


@given(NEARLY, NAMES)
@settings(deadline=None)
def test_the_same_text_gives_the_same_releases(text: str, name: str | None) -> None:
    """Nothing but the arguments decides."""
    assert parse(text, name) == parse(text, name)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=4), st.integers(2, 9))
def test_a_made_changelog_is_read_back(start: list[int], count: int) -> None:
    """Whatever numbers a plain changelog has, they come back with dates and bodies."""
    versions = [".".join(map(str, [start[0], start[1] + n])) for n in range(count)][::-1]
    text = "# Changelog\n\n" + "\n".join(
        f"## {v} (2020-01-{n + 1:02})\n\n- change {n}\n" for n, v in enumerate(versions)
    )
    found = parse(text)
    assert [r.version for r in found] == versions
    assert [r.body for r in found] == [f"- change {n}" for n in range(count)]
    assert all(r.date == datetime.date(2020, 1, n + 1) for n, r in enumerate(found))


@given(st.text(max_size=40))
def test_versions_normalise_to_themselves(version: str) -> None:
    """A normal form is its own normal form, and any text has an order."""
    assert normalise(normalise(version)) == normalise(version)
    assert order(version) == order(version)


@pytest.mark.parametrize("wrong", [None, 5, ["1.0"], object()])
def test_wrong_types_are_the_only_error(wrong: object) -> None:
    """What is neither text nor bytes is refused, by name."""
    with pytest.raises(TypeError, match="text must be str or bytes"):
        parse(wrong)  # type: ignore[arg-type]
    if wrong is not None:
        with pytest.raises(TypeError, match="filename must be str or None"):
            parse("", wrong)  # type: ignore[arg-type]


def test_a_release_cannot_be_changed() -> None:
    """Releases are frozen."""
    release = parse("## 1.1 (2020-01-01)\n- b\n## 1.0 (2019-01-01)\n- a\n")[0]
    assert isinstance(release, Release)
    with pytest.raises(dataclasses.FrozenInstanceError):
        release.version = "2"  # type: ignore[misc]


# Shapes whose cost could grow faster than they do.
GROWING = {
    "headings": lambda n: "".join(f"## 1.{i}.0 (2020-01-01)\n- a\n" for i in range(n, 0, -1)),
    "bare lines": lambda n: "".join(f"1.{i}\n  text {i}\n\n" for i in range(n, 0, -1)),
    "two styles, mixed": lambda n: "".join(
        f"## 1.{i}.0 x\n- a\n### 1.{i}.1\n- b\n" for i in range(n, 0, -1)
    ),
    "titles among pure ones": lambda n: "".join(
        f"## 1.{i} {'(2020-01-01)' if i % 2 else 'big one'}\n- a\n" for i in range(n, 0, -1)
    ),
    "many families": lambda n: "".join(f"{' ' * (i % 97)}* 1.{i}\n\n" for i in range(n)),
    "fences": lambda n: "```\n1.0\n```\n" * n,
    "indented comments": lambda n: "..\n  1.0\n\n" * n + "  1.0\n" * n,
    "comments": lambda n: "<!-- 1.0 -->\n" * n,
    "other headings": lambda n: "## 1.1\n" + "## other\n\n" * n + "## 1.0\n",
}


@pytest.mark.parametrize("shape", GROWING)
def test_time_grows_with_the_text_and_not_faster(shape: str) -> None:
    """Four times the text takes about four times as long, never sixteen."""
    make = GROWING[shape]

    def seconds(n: int) -> float:
        text = make(n)
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            parse(text, "CHANGELOG")
            best = min(best, time.process_time() - start)
        return best

    small, large = seconds(1_500), seconds(6_000)
    assert large < 9 * small + 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_are_cheap(kind: str) -> None:
    """Texts made to blow up a parser, a twentieth of the bench's size, stay within bounds."""
    make, expected = KINDS[kind]
    text = make()
    if expected is None or not expected:
        text = text[: len(text) // 20]
    tracing = random.Random(kind).random() < 0.2  # tracing is slow; the bench measures all
    if tracing:
        tracemalloc.start()
    start = time.process_time()
    found = parse(text, "CHANGELOG")
    spent = time.process_time() - start
    if tracing:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 120e6
    assert spent < 10
    if expected is not None:
        assert len(found) == expected
