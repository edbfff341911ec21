"""Redirects: renamed repositories, archives on other hosts, loops and lures."""

from __future__ import annotations

import msgspec
import pytest

from ventil.changelog.finder import Ask, Finding, Package, Result, Status, archive, find
from ventil.core.exchange import Reply, Response

MANIFEST = {
    "name": "x",
    "version": "1.0.0",
    "repository": "github:old/name",
    "dist": {"tarball": "https://registry.test.example/x/-/x-1.0.0.tgz"},
}
TREE = {"tree": [{"path": "CHANGELOG.md", "type": "blob"}], "truncated": False}
MOVED = "https://api.github.com/repositories/7/git/trees/HEAD?recursive=1"


def answered(steps: dict[str, Reply], package: Package) -> tuple[Finding, list[Ask]]:
    """Search with replies by target; what is not there is a 404."""
    search = find(package)
    asked: list[Ask] = []
    try:
        ask = next(search)
        while True:
            asked.append(ask)
            ask = search.send(steps.get(ask.request.target, Response(404, {}, b"")))
    except StopIteration as end:
        finding: Finding = end.value
        return finding, asked


def json(value: object) -> Response:
    """A 200 with JSON."""
    return Response(200, {}, msgspec.json.encode(value))


def moved(place: str, status: int = 301) -> Response:
    """A redirect."""
    return Response(status, {"location": place}, b"")


def test_a_renamed_repository_is_asked_at_its_new_place_from_then_on() -> None:
    """One redirect for the listing; the file is asked there at once."""
    finding, asked = answered(
        {
            "/x/latest": json(MANIFEST),
            "/repos/old/name/git/trees/HEAD?recursive=1": moved(MOVED),
            "/repositories/7/git/trees/HEAD?recursive=1": json(TREE),
            "/repositories/7/contents/CHANGELOG.md": Response(200, {}, b"## 1.0.0\n"),
        },
        Package("npm", "x"),
    )
    assert finding.status is Status.FOUND
    assert [ask.request.target for ask in asked][-1] == "/repositories/7/contents/CHANGELOG.md"
    assert finding.requests == 4
    assert any("renamed" in step.detail for step in finding.tried)


def test_an_archive_may_be_handed_on_to_another_host() -> None:
    """The origin changes with the redirect, and is the sender's to allow."""
    manifest = {**MANIFEST, "repository": None}
    contents = msgspec.msgpack.encode(
        archive.Contents(files=(archive.File("NEWS", b"1.0.0\n=====\n"),), entries=2)
    )
    finding, asked = answered(
        {
            "/x/latest": json(manifest),
            "/x/-/x-1.0.0.tgz": moved("https://cdn.test.example/p/x.tgz?sig=a", 302),
            "/p/x.tgz?sig=a": Response(200, {}, contents),
        },
        Package("npm", "x"),
    )
    assert finding.status is Status.FOUND
    assert [ask.origin for ask in asked] == [
        None,
        "https://registry.test.example",
        "https://cdn.test.example",
    ]
    assert asked[-1].unpack is not None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_loops_end(status: int) -> None:
    """Three hops, no more; and what leads nowhere is a failure of that step."""
    finding, asked = answered({"/x/latest": moved("/x/latest", status)}, Package("npm", "x"))
    assert finding.status is Status.FAILED
    assert len(asked) == 3
    for place in ("", "//evil.example/x", "javascript:x", "http://[", "/a b", "/\x00"):
        finding, asked = answered({"/x/latest": moved(place, status)}, Package("npm", "x"))
        assert finding.status is Status.FAILED
        assert all(ask.origin is None for ask in asked)


def test_a_registry_cannot_send_metadata_requests_elsewhere() -> None:
    """A redirect of anything but an archive stays with its provider, whatever it says."""
    finding, asked = answered(
        {"/x/latest": moved("https://evil.example/y/latest"), "/y/latest": json(MANIFEST)},
        Package("npm", "x"),
    )
    assert {ask.origin for ask in asked if ask.unpack is None} == {None}
    assert finding.version == "1.0.0"


def test_what_cannot_be_unpacked_is_a_step_that_failed() -> None:
    """The workbench gave something else than the contents of an archive."""
    finding, _ = answered(
        {
            "/x/latest": json({**MANIFEST, "repository": None}),
            "/x/-/x-1.0.0.tgz": Response(200, {}, b"\xff\x00 not contents"),
        },
        Package("npm", "x"),
    )
    assert finding.status is Status.FAILED
    assert finding.tried[-1].result is Result.FAILED
