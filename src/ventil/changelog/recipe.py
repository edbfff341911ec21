"""The recipe of the changelog job: from a package to its document, through many providers.

The finder says what to ask and whom; what comes back is read in the workbench, for a
stranger wrote it: an archive by `archive.read`, a text by `changelog.read`. A record's key
is a package URL, with the version that the catalogue names: another version is another
record, and looked at again. What is kept belongs to the package whatever its version: its
document, and what the finder wants to remember.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote, unquote

import msgspec

from ventil.changelog import reading
from ventil.changelog.document import Document, PackageId, Place, Tried, decode, encode
from ventil.changelog.document import Status as DocumentStatus
from ventil.changelog.finder import (
    ECOSYSTEMS,
    Ask,
    Finding,
    Package,
    Remembered,
    archive,
)
from ventil.changelog.finder import Status as Ended
from ventil.changelog.finder.links import origin_fault
from ventil.core.exchange import (
    Answered,
    Done,
    Fault,
    FaultKind,
    Recall,
    Reply,
    Request,
    Response,
    Steps,
    Work,
    WorkFailed,
)
from ventil.core.model import Good, Kept, Sample, Status
from ventil.core.period import Period

Search = Callable[[Package, Remembered | None], Generator[Ask, Reply, Finding]]
"""A finder: `ventil.changelog.finder.find`, or one for a test."""

_LONGEST_WHY = 300


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What the job remembers of a package: how its last look ended, and the finder's own."""

    state: Literal["found", "none"]
    why: str
    releases: int
    finder: Remembered


@dataclass(frozen=True, slots=True)
class ChangelogRecipe:
    """The `Recipe` port for changelogs; see the module.

    `base_urls` says where each provider is: what an answer from there names must not lead
    us into the network that we run in.
    """

    search: Search
    base_urls: Mapping[str, str] = field(default_factory=dict)

    def batches(self, keys: Iterable[str], /) -> Iterator[tuple[str, ...]]:
        """Each package by itself."""
        return ((key,) for key in keys)

    def fetch(self, keys: Sequence[str], period: Period, good: Mapping[str, Good], /) -> Steps:
        """Look for the changelog of the one package that *keys* names."""
        [key] = keys
        return look(key, self)


def key_of(package: Package) -> str:
    """A record's key: the package URL, with the version if there is one."""
    version = "" if package.version is None else "@" + quote(package.version, safe=".-_~+")
    return package.purl + version


def package_in(key: str) -> Package:
    """The package of a record's key. Raises ValueError when it is none."""
    path, _, version = key.partition("@")
    ecosystem, _, name = path.removeprefix("pkg:").partition("/")
    if not (key.startswith("pkg:") and name and ecosystem in ECOSYSTEMS):
        raise ValueError(f"{key[:80]!r} is no package URL of {', '.join(ECOSYSTEMS)}")
    return Package(ecosystem, unquote(name), unquote(version) if version else None)


def look(
    key: str, recipe: ChangelogRecipe
) -> Generator[Recall | Request | Work, Answered, list[Sample]]:
    """The steps for one package; returns its sample, whose number counts the releases."""
    package = replace(package_in(key), version=None)  # the latest one's archive
    kept = yield Recall(package.purl)
    if not isinstance(kept, Kept):
        kept = Kept(package.purl)
    memory = _memory(kept)
    search = recipe.search(package, memory.finder if memory else None)
    finding = yield from _found(package, search, recipe.base_urls)
    if finding.status is Ended.FAILED:
        return [Sample(key, Status.FAILED, detail=_short(finding.why))]
    if finding.status is Ended.UNCHANGED and memory is not None:
        return [_unchanged(key, finding, memory, kept)]
    if finding.text is None and finding.releases is None:
        return [_settled(key, finding, document_of(finding), finding.why)]
    task = reading.payload(finding.text, finding.filename, finding.releases)
    done = yield Work("changelog.read", task)
    if not isinstance(done, Done):
        words = done.detail if isinstance(done, WorkFailed) else "not read"
        where = finding.place.url if finding.place else finding.filename
        return [Sample(key, Status.FAILED, detail=_short(f"the text at {where}: {words}"))]
    read = reading.reading(done.result)
    if not read.releases:
        why = f"{finding.why}; but no release is told apart in it"
        return [_settled(key, finding, document_of(finding, why=why), why)]
    return [_settled(key, finding, document_of(finding, read), "")]


def _found(
    package: Package, search: Generator[Ask, Reply, Finding], base_urls: Mapping[str, str]
) -> Generator[Request | Work, Answered, Finding]:
    """Drive the finder: its requests by their providers' gates, archives by the workbench."""
    try:
        ask = next(search)
        while True:
            reply: Reply
            objection = _objection(ask, base_urls)
            if objection is not None:
                reply = Fault(FaultKind.CONNECT, f"not asked: {objection}")
            else:
                reply = yield from _sent(ask)
            if ask.unpack is not None and isinstance(reply, Response) and reply.status == 200:
                reply = yield from _unpacked(ask, package, reply)
            ask = search.send(reply)
    except StopIteration as end:
        finding: Finding = end.value
        return finding
    finally:
        search.close()


def _objection(ask: Ask, base_urls: Mapping[str, str]) -> str | None:
    if ask.origin is None:
        return None
    return origin_fault(ask.origin, base_urls.get(ask.provider, ""))


def _sent(ask: Ask) -> Generator[Request, Answered, Reply]:
    part = ask if ask.query is not None else None
    reply = yield replace(ask.request, provider=ask.provider, origin=ask.origin, part=part)
    if not isinstance(reply, Response | Fault):
        raise TypeError(f"a request is answered by a reply, not by {reply!r:.60}")
    return reply


def _unpacked(
    ask: Ask, package: Package, reply: Response
) -> Generator[Request | Work, Answered, Reply]:
    if ask.unpack is None:
        return reply
    done = yield Work("archive.read", archive.payload(ask.unpack, package.name, reply.body))
    if isinstance(done, Done):
        return replace(reply, body=done.result)
    words = done.detail if isinstance(done, WorkFailed) else "not read"
    return Fault(FaultKind.BROKEN, f"the archive: {words}")


def _memory(kept: Kept) -> Memory | None:
    """What is remembered; None when there is nothing, or it is of another form."""
    if kept.memory is None or kept.body is None:
        return None
    try:
        return msgspec.json.decode(kept.memory, type=Memory)
    except (msgspec.DecodeError, ValueError):
        return None


def _settled(key: str, finding: Finding, document: Document, why: str) -> Sample:
    """An answer: a changelog with its releases, or none with its reasons."""
    count = len(document.releases)
    memory = Memory(
        state="found" if count else "none",
        why=_short(why),
        releases=count,
        finder=finding.remember,
    )
    kept = Kept(document.package.purl, encode(document), msgspec.json.encode(memory))
    if count:
        return Sample(key, Status.OK, count, kept=kept)
    return Sample(key, Status.UNKNOWN, detail=_short(why), kept=kept)


def _unchanged(key: str, finding: Finding, memory: Memory, kept: Kept) -> Sample:
    """The answer of the last time, which still holds; its latest version may be newer."""
    body = None
    if kept.body is not None and finding.version is not None:
        document = decode(kept.body)
        if document.package.latest_version != finding.version:
            known = msgspec.structs.replace(document.package, latest_version=finding.version)
            body = encode(msgspec.structs.replace(document, package=known))
    newer = msgspec.structs.replace(memory, finder=finding.remember)
    keep = Kept(kept.name, body, msgspec.json.encode(newer))
    if memory.state == "found":
        return Sample(key, Status.OK, memory.releases, kept=keep)
    return Sample(key, Status.UNKNOWN, detail=memory.why, kept=keep)


def document_of(
    finding: Finding,
    read: reading.Reading | None = None,
    *,
    why: str | None = None,
    status: DocumentStatus | None = None,
) -> Document:
    """What a finding, and what was read where it led, say of a package."""
    package, place = finding.package, finding.place
    return Document(
        package=PackageId(
            purl=package.purl,
            ecosystem=package.ecosystem,
            name=package.name,
            latest_version=finding.version,
            repository=finding.repository,
        ),
        status=status or ("found" if read else "none"),
        why=finding.why if why is None else why,
        place=None
        if place is None
        else Place(
            how=place.how.value,
            url=place.url or None,
            filename=place.path or finding.filename,
            etag=finding.remember.etag,
            last_modified=finding.remember.modified,
        ),
        markup=read.markup if read else "plain",
        links=read.links if read else {},
        releases=read.releases if read else (),
        tried=tuple(
            Tried(
                how=step.how.value,
                where=step.place or None,
                result=": ".join(filter(None, (step.result.value, step.detail))),
            )
            for step in finding.tried
        ),
    )


def _short(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _LONGEST_WHY else line[: _LONGEST_WHY - 1] + "…"
