"""The recipe of the changelog job: a scripted finder, a world of replies, one sample."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from ventil.changelog import reading
from ventil.changelog.document import Document, decode
from ventil.changelog.finder import (
    Ask,
    Finding,
    HostRelease,
    How,
    Package,
    Place,
    Remembered,
    Result,
    Status,
    Step,
    Unpack,
    archive,
)
from ventil.changelog.recipe import ChangelogRecipe, key_of, package_in
from ventil.core.exchange import (
    Done,
    Fault,
    Recall,
    Reply,
    Request,
    Response,
    Work,
    WorkFailed,
)
from ventil.core.model import Interval, Kept, Sample
from ventil.core.model import Status as Settled
from ventil.core.period import Period
from ventil.tasks import find as task

DAY = dt.date(2025, 11, 17)
PERIOD = Period("week", Interval(DAY, DAY), DAY)
KEY = "pkg:npm/pot@2.0.0"
TEXT = b"# Changes\n\n## 2.0.0 (2025-11-01)\n\n- New.\n\n## 1.0.0 (2024-01-01)\n\n- Old.\n"
PLACE = Place(How.FILE, "https://example.org/CHANGES.md", "github", "acme/pot", "CHANGES.md")
ASK = Ask("github", Request("/repos/acme/pot/contents/CHANGES.md"))


def finding(status: Status = Status.FOUND, **changes: Any) -> Finding:
    """A finding about the pot."""
    plain: dict[str, Any] = {
        "package": Package("npm", "pot"),
        "status": status,
        "why": "it is in the repository",
        "tried": (Step(How.FILE, "CHANGES.md", Result.FOUND),),
        "remember": Remembered(version="2.0.0", etag='"x"'),
        "version": "2.0.0",
        "place": PLACE if status is Status.FOUND else None,
        "repository": "https://example.org/acme/pot",
    }
    return Finding(**(plain | changes))


@dataclass
class Finder:
    """Asks *asks* one after the other, and settles on what *settle* makes of the replies."""

    settle: Callable[[list[Reply]], Finding]
    asks: tuple[Ask, ...] = (ASK,)
    given: list[tuple[Package, Remembered | None]] = field(default_factory=list)

    def __call__(
        self, package: Package, remembered: Remembered | None
    ) -> Generator[Ask, Reply, Finding]:
        """A search."""
        self.given.append((package, remembered))
        replies = []
        for ask in self.asks:
            replies.append((yield ask))
        return self.settle(replies)


@dataclass
class Told:
    """What the recipe asked, and what it said in the end."""

    sample: Sample
    requests: list[Request]
    work: list[str]

    @property
    def document(self) -> Document:
        """The document that is kept with the sample."""
        assert self.sample.kept is not None
        assert self.sample.kept.body is not None
        return decode(self.sample.kept.body)


def play(
    finder: Finder,
    *,
    kept: Kept | None = None,
    reply: Reply | None = None,
    broken: str = "",
    base_urls: dict[str, str] | None = None,
) -> Told:
    """Run the recipe to its end; work is done here, but for the task called *broken*."""
    recipe = ChangelogRecipe(finder, base_urls or {})
    steps = recipe.fetch([KEY], PERIOD, {})
    requests, work = [], []
    answer: Any = None
    try:
        while True:
            step = steps.send(answer)
            if isinstance(step, Recall):
                assert step.name == "pkg:npm/pot"
                answer = kept
            elif isinstance(step, Work):
                work.append(step.task)
                if step.task == broken:
                    answer = WorkFailed(f"{step.task}: took more than 10 s")
                else:
                    answer = Done(task(step.task)(step.payload))
            else:
                assert isinstance(step, Request)
                requests.append(step)
                answer = reply or Response(200, {}, TEXT)
    except StopIteration as end:
        [sample] = end.value
        return Told(sample, requests, work)


def test_a_text_becomes_a_document_and_its_number_counts_the_releases() -> None:
    """With its place, its steps and its latest version; the finder's memory is kept with it."""
    told = play(Finder(lambda replies: finding(text=TEXT, filename="CHANGES.md")))
    assert (told.sample.key, told.sample.status, told.sample.value) == (KEY, Settled.OK, 2)
    document = told.document
    assert [release.version for release in document.releases] == ["2.0.0", "1.0.0"]
    assert (document.status, document.markup) == ("found", "markdown")
    assert document.package.purl == "pkg:npm/pot"
    assert document.package.latest_version == "2.0.0"
    assert document.package.repository == "https://example.org/acme/pot"
    assert document.place is not None
    assert (document.place.how, document.place.filename) == ("file", "CHANGES.md")
    assert [(step.how, step.result) for step in document.tried] == [("file", "found")]
    assert [(request.provider, request.target) for request in told.requests] == [
        ("github", ASK.request.target)
    ]
    assert told.work == ["changelog.read"]


def test_the_next_look_is_given_what_the_last_one_remembered() -> None:
    """Unchanged: the same number, the document left as it was."""
    finder = Finder(lambda replies: finding(text=TEXT))
    first = play(finder).sample
    assert first.kept is not None
    later = Finder(lambda replies: finding(Status.UNCHANGED))
    told = play(later, kept=first.kept)
    assert finder.given[0][1] is None
    assert later.given[0] == (Package("npm", "pot"), Remembered(version="2.0.0", etag='"x"'))
    assert (told.sample.status, told.sample.value) == (Settled.OK, 2)
    assert told.sample.kept is not None
    assert told.sample.kept.body is None
    assert told.work == []


def test_an_unchanged_text_of_a_newer_version() -> None:
    """Only the latest version in the document is another."""
    first = play(Finder(lambda replies: finding(text=TEXT)))
    told = play(
        Finder(lambda replies: finding(Status.UNCHANGED, version="2.1.0")),
        kept=first.sample.kept,
    )
    package = msgspec.structs.replace(first.document.package, latest_version="2.1.0")
    assert told.document == msgspec.structs.replace(first.document, package=package)


def test_nothing_found_is_an_answer_and_stays_one() -> None:
    """Unknown, with the reasons in the document; unchanged, it is the same answer again."""
    first = play(Finder(lambda replies: finding(Status.NONE, why="none found anywhere")))
    assert (first.sample.status, first.sample.value) == (Settled.UNKNOWN, None)
    assert first.sample.detail == "none found anywhere"
    assert (first.document.status, first.document.releases) == ("none", ())
    told = play(Finder(lambda replies: finding(Status.UNCHANGED)), kept=first.sample.kept)
    assert (told.sample.status, told.sample.detail) == (Settled.UNKNOWN, "none found anywhere")


def test_a_text_without_releases_is_none() -> None:
    """A page of prose is no changelog, and its place is told all the same."""
    told = play(Finder(lambda replies: finding(text=b"Just some words.\n")))
    assert told.sample.status is Settled.UNKNOWN
    assert "no release is told apart" in told.sample.detail
    assert told.document.place is not None


def test_what_could_not_be_fetched_keeps_nothing() -> None:
    """Failed, in the finder's words; what was kept before is not touched."""
    told = play(Finder(lambda replies: finding(Status.FAILED, why="github: 502\nagain")))
    assert (told.sample.status, told.sample.detail) == (Settled.FAILED, "github: 502 again")
    assert told.sample.kept is None


def test_a_text_that_breaks_a_limit_is_failed() -> None:
    """With the limit, and the place it came from."""
    told = play(Finder(lambda replies: finding(text=TEXT)), broken="changelog.read")
    assert told.sample.status is Settled.FAILED
    assert told.sample.detail == (
        f"the text at {PLACE.url}: changelog.read: took more than 10 s"
    )


def test_an_archive_is_read_in_the_workbench() -> None:
    """The finder gets the files out of it, and a fault when it broke a limit."""
    ask = Ask("npm-registry", Request("/pot.tgz"), unpack=Unpack("tgz"))
    seen: list[Reply] = []

    def settle(replies: list[Reply]) -> Finding:
        seen.extend(replies)
        return finding(Status.NONE)

    told = play(Finder(settle, (ask,)), reply=Response(200, {}, b"no archive at all"))
    assert told.work == ["archive.read"]
    assert isinstance(seen[0], Response)
    assert archive.contents(seen[0].body).files == ()
    play(Finder(settle, (ask,)), broken="archive.read")
    assert isinstance(seen[1], Fault)
    assert seen[1].detail == "the archive: archive.read: took more than 10 s"
    told = play(Finder(settle, (ask,)), reply=Response(404, {}, b""))
    assert told.work == []


def test_an_answer_does_not_lead_us_into_our_own_network() -> None:
    """An origin that the registry names is asked only where it may be a public one."""
    seen: list[Reply] = []

    def settle(replies: list[Reply]) -> Finding:
        seen.extend(replies)
        return finding(Status.NONE)

    for origin in ("http://169.254.169.254", "https://localhost", "https://router.local"):
        ask = Ask("npm-registry", Request("/pot.tgz"), origin=origin)
        base = {"npm-registry": "https://registry.example.org"}
        assert play(Finder(settle, (ask,)), base_urls=base).requests == []
        assert isinstance(seen[-1], Fault)
    ask = Ask("npm-registry", Request("/pot.tgz"), origin="https://files.example.org")
    told = play(Finder(settle, (ask,)), base_urls=base)
    assert [request.origin for request in told.requests] == ["https://files.example.org"]


def test_releases_of_a_host() -> None:
    """Versions are read from tags of every kind; a tag without one is left out."""
    releases = (
        HostRelease("v2.0.0", "Two", "- New.", "2025-11-01T10:00:00Z"),
        HostRelease("packages/pot@1.1.0-rc.1", "", "- Soon.", None),
        HostRelease("nightly", "Nightly", "", "2025-11-01T10:00:00Z"),
    )
    told = play(Finder(lambda replies: finding(releases=releases)))
    first, second = told.document.releases
    assert (first.version, str(first.date), first.title) == ("2.0.0", "2025-11-01", "Two")
    assert (second.version, second.date, second.prerelease) == ("1.1.0-rc.1", None, True)
    assert told.document.markup == "markdown"


def test_a_memory_of_another_form_is_none() -> None:
    """It is looked for anew."""
    finder = Finder(lambda replies: finding(text=TEXT))
    for memory in (b"", b"{}", b"[1]", b"\xff"):
        assert play(finder, kept=Kept("pkg:npm/pot", b"{}", memory)).sample.value == 2
    assert all(remembered is None for _, remembered in finder.given)


@pytest.mark.parametrize(
    "package",
    [
        Package("npm", "@scope/name", "1.2.3-rc.1+build"),
        Package("npm", "JSONStream"),
        Package("pypi", "zope.interface", "7!1.0"),
        Package("cargo", "serde_json", "1.0"),
    ],
)
def test_a_key_names_its_package(package: Package) -> None:
    """Scopes, capitals, versions and all."""
    assert package_in(key_of(package)) == package


@pytest.mark.parametrize("key", ["react", "pkg:npm/", "pkg:maven/a/b", "pkg:npm", ""])
def test_what_is_no_key(key: str) -> None:
    """Is refused."""
    with pytest.raises(ValueError, match="no package URL"):
        package_in(key)


def test_a_reading_that_is_none_is_refused() -> None:
    """What comes back from the workbench has the form that it must have."""
    with pytest.raises(ValueError, match=r"[Ee]xpected|Object|truncated"):
        reading.reading(b"\x93\x01\x02\x03")
