"""From a package to its changelog, asking as little as will do.

The order, and why, stands in docs/explanation/finding-changelogs.md. In short::

    what was remembered ── still there ──► done, 304 or the new text
          │ nothing, or gone
    metadata ── names a file or releases ──► that
          │
    archive and repository; which first depends on what is cheaper and surer:
          │   a crate's archive also names the repository; an sdist or gem is one request
          │   and holds what was published; npm's archives seldom hold one, so a
          │   repository comes first there, and with GraphQL it does everywhere else
    releases of the code host
    description (before the repository, where GitHub lets us ask sixty times an hour)
    the package that this one says it has become, once

Nothing is asked for that no listing, archive or metadata has named.
"""

from __future__ import annotations

from dataclasses import replace

from ventil.changelog.finder import registries
from ventil.changelog.finder.links import (
    Elsewhere,
    FileLink,
    ReleasesLink,
    Repository,
    Target,
)
from ventil.changelog.finder.model import (
    Ask,
    Finding,
    How,
    Manners,
    Package,
    Place,
    Remembered,
    Result,
    Status,
)
from ventil.changelog.finder.published import ArchiveSearch
from ventil.changelog.finder.registries import About, Archive
from ventil.changelog.finder.repository import RepositorySearch
from ventil.changelog.finder.texts import (
    part_about_changes,
)
from ventil.changelog.finder.trail import (
    Asking,
    Enough,
    Hit,
    Notes,
    Same,
    Text,
    Trail,
    body_of,
    conditions,
    is_absent,
    validators_of,
)
from ventil.core.exchange import Response

_TRUSTED_EMPTY = frozenset({"npm"})
"""Ecosystems whose archives are made from the repository's files and seldom hold more."""


def find(
    package: Package, remembered: Remembered | None = None, manners: Manners | None = None
) -> Asking[Finding]:
    """Search for the changelog of *package*: yields asks, is sent replies, returns.

    Pure and deterministic: sent the same replies, it asks the same. *remembered* is what
    an earlier search of the same package gave. Never raises for what the replies hold.
    """
    return _Search(package, remembered or Remembered(), manners or Manners()).run()


class _Search:
    def __init__(
        self, package: Package, remembered: Remembered, manners: Manners, *, after: int = 0
    ) -> None:
        self._package = package
        self._remembered = remembered
        self._manners = manners
        self._after = after  # how many packages became this one
        self._trail = Trail(package, manners)
        self._repositories = RepositorySearch(self._trail)
        self._archives = ArchiveSearch(self._trail, self._repositories)
        self._about: About | None = None
        self._validators: tuple[str | None, str | None] = (None, None)
        self._name: str | None = None

    def run(self) -> Asking[Finding]:
        fault = registries.name_fault(self._package)
        if fault is not None:
            return self._end(Status.UNKNOWN, f"not asked: {fault}")
        hit: Hit | Same | None
        try:
            about = yield from self._metadata()
            if isinstance(about, Finding):
                return about
            self._about = about
            hit = yield from self._again(about)
            if hit is not None:
                self._name = self._remembered.name
            else:
                hit = yield from self._anew(about)
        except Enough:
            hit = None
            why = f"more than {self._manners.most_requests} requests would be needed"
            self._trail.note(How.METADATA, self._package.purl, Result.SKIPPED, why)
        if isinstance(hit, Same):
            # What is remembered stays, the version too: the notes of a new one may follow.
            return self._end(
                Status.UNCHANGED, "the place of the last time has not changed", keep=True
            )
        if hit is not None:
            return self._found(hit)
        if self._trail.trouble:
            failed = [s for s in self._trail.steps if s.result is Result.FAILED]
            return self._end(
                Status.FAILED, f"{failed[0].how} gave no usable answer: {failed[0].detail}"
            )
        return self._end(Status.NONE, self._why_none())

    # What the registry says

    def _metadata(self) -> Asking[About | Finding]:
        """Ask the registry; a Finding when that settles it."""
        old = self._remembered
        # What became another package stays as it is while the other one goes on.
        known = old.version is not None and old.name is None
        request = registries.request(
            self._package,
            conditions(old.metadata_etag, old.metadata_modified) if known else {},
        )
        provider = registries.PROVIDERS[self._package.ecosystem]
        reply = yield from self._trail.ask(Ask(provider, request))
        purl = self._package.purl
        if isinstance(reply, Response) and reply.status == 304 and known:
            self._trail.note(How.METADATA, purl, Result.UNCHANGED)
            return self._end(Status.UNCHANGED, "the package has not changed")
        if is_absent(reply):
            self._trail.note(How.METADATA, purl, Result.NOTHING, "no such package")
            return self._end(Status.UNKNOWN, "the registry has no such package")
        body = body_of(reply)
        if body is None:
            self._trail.refused(How.METADATA, purl, reply)
            self._trail.trouble = True  # too large is a trouble here: nothing else is known
            last = self._trail.steps[-1].detail
            return self._end(Status.FAILED, f"the registry gave no usable answer: {last}")
        about = registries.about(self._package, body)
        if about is None:
            self._trail.note(How.METADATA, purl, Result.FAILED, "not an answer of a registry")
            return self._end(Status.FAILED, "the registry's answer cannot be read")
        self._validators = validators_of(reply)
        if known and about.version == old.version:
            self._trail.note(How.METADATA, purl, Result.UNCHANGED, f"still {about.version}")
            self._about = about
            return self._end(Status.UNCHANGED, f"{about.version} is still the latest version")
        return about

    # The place of the last time

    def _again(self, about: About) -> Asking[Hit | Same | None]:
        """Ask the remembered place, conditionally. None when it must be sought anew."""
        old, place = self._remembered, self._remembered.place
        if place is None:
            return None
        match place.how:
            case How.ARCHIVE:
                return (yield from self._archive(about.archive)) if about.archive else None
            case How.DESCRIPTION:
                return self._description(about)
        if not place.repository:
            return None
        repository = Repository(place.provider, place.repository)
        if about.repository is not None and about.repository.page == repository.page:
            repository = about.repository
        hit: Hit | Same | None
        if place.how is How.RELEASES:
            hit = yield from self._repositories.releases_again(
                repository, old.etag, old.modified
            )
        else:
            hit = yield from self._repositories.file(
                repository, place.path, None, place.how, etag=old.etag, modified=old.modified
            )
        if hit is None:
            self._repositories.forget()
        return hit

    # The search

    def _anew(self, about: About) -> Asking[Hit | None]:
        hit: Hit | None
        repository = about.repository
        for target in about.links:
            hit = yield from self._link(target, about)
            if hit is not None:
                return hit
            if isinstance(target, Repository) and repository is None:
                repository = target
        archive, looked = about.archive, False
        if archive is not None and self._archive_first(archive, repository):
            hit = yield from self._archive(archive)
            if hit is not None:
                return hit
            archive = None
            repository = repository or (self._about.repository if self._about else None)
        if self._description_first(about, repository):
            return self._description(about)
        if repository is not None:
            looked = True
            hit = yield from self._repositories.files(repository, about.version)
            if hit is not None:
                return hit
        if archive is not None:
            hit = yield from self._archive_after(archive, repository)
            if hit is not None:
                return hit
            if repository is None and self._about is not None and self._about.repository:
                repository = self._about.repository
        if repository is not None and not looked:
            hit = yield from self._repositories.files(repository, about.version)
            if hit is not None:
                return hit
        if repository is not None:
            hit = yield from self._repositories.releases(repository)
            if hit is not None:
                return hit
        hit = self._description(about)
        if hit is not None:
            return hit
        return (yield from self._successor(about))

    def _link(self, target: Target, about: About) -> Asking[Hit | None]:
        """Follow a link that is labelled as the changelog's."""
        match target:
            case FileLink():
                # Another repository's listing would not help; this one's folder may.
                found = yield from self._repositories.file(
                    target.repository, target.path, target.ref, How.LINK
                )
                return found if isinstance(found, Text | Notes) else None
            case ReleasesLink():
                repository = target.repository
                own = about.repository
                if own is not None and own.page == repository.page:
                    repository = own
                return (yield from self._repositories.releases(repository))
            case Elsewhere():
                self._trail.note(
                    How.LINK, target.url, Result.SKIPPED, "no host that we know to ask"
                )
                return None
            case Repository() if target.folder:
                return (yield from self._repositories.files(target, about.version))
        return None

    def _archive_first(self, archive: Archive, repository: Repository | None) -> bool:
        if archive.provider == "crates-static" or repository is None:
            return True
        if registries.too_large(archive, self._manners.archive_bytes):
            return False
        if archive.ships is not None:
            return archive.ships
        if self._package.ecosystem == "npm":
            return False
        return not (self._manners.graphql and repository.host == "github")

    def _description_first(self, about: About, repository: Repository | None) -> bool:
        """Whether what we have in hand already spares us two or three of sixty an hour.

        It must tell of the latest version: a part that was forgotten years ago does not.
        """
        if repository is None or repository.host != "github" or self._manners.graphql:
            return False
        part = part_about_changes(about.description) if about.description else None
        return part is not None and bool(about.version) and str(about.version).encode() in part

    def _archive_after(
        self, archive: Archive, repository: Repository | None
    ) -> Asking[Hit | None]:
        looked = self._repositories.looked.get(repository.page) if repository else None
        if (
            looked is not None
            and looked.whole
            and self._package.ecosystem in _TRUSTED_EMPTY
            and archive.ships is None
        ):
            why = "its repository holds none, and npm packs what is there"
            self._trail.note(How.ARCHIVE, self._package.purl, Result.SKIPPED, why)
            return None
        return (yield from self._archive(archive))

    def _archive(self, archive: Archive) -> Asking[Hit | None]:
        """Look into the published archive; a crate's also names the repository."""
        hit, repository = yield from self._archives.look(archive, self._version())
        if repository is not None and self._about is not None and not self._about.repository:
            self._about = replace(self._about, repository=repository)
        return hit

    def _description(self, about: About) -> Text | None:
        if not about.description:
            return None
        part = part_about_changes(about.description)
        purl = self._package.purl
        if part is None:
            self._trail.note(How.DESCRIPTION, purl, Result.NOTHING, "no part about changes")
            return None
        self._trail.note(How.DESCRIPTION, purl, Result.FOUND)
        provider = registries.PROVIDERS[self._package.ecosystem]
        return Text(part, "CHANGES", Place(How.DESCRIPTION, purl, provider))

    def _successor(self, about: About) -> Asking[Hit | None]:
        """Look for the changelog of the package that this one has become."""
        if about.successor is None or self._after:
            return None
        package = Package(self._package.ecosystem, about.successor)
        if package.name == self._package.name or registries.name_fault(package) is not None:
            return None
        self._trail.note(
            How.SUCCESSOR, package.purl, Result.LEADS_ON, "named by the note of deprecation"
        )
        left = self._manners.most_requests - self._trail.requests
        search = _Search(
            package, Remembered(), replace(self._manners, most_requests=left), after=1
        )
        finding = yield from search.run()
        self._trail.requests += finding.requests
        self._trail.steps += finding.tried
        self._trail.trouble |= finding.status is Status.FAILED
        if finding.status is not Status.FOUND or finding.place is None:
            return None
        self._name = package.name
        kept = finding.remember
        if finding.text is not None:
            name = finding.filename or ""
            return Text(finding.text, name, finding.place, kept.etag, kept.modified)
        return Notes(finding.releases or (), finding.place, kept.etag, kept.modified)

    # The end

    def _version(self) -> str:
        about = self._about
        return (about.version if about is not None else None) or "latest"

    def _found(self, hit: Hit) -> Finding:
        etag, modified = self._validators
        version = self._about.version if self._about is not None else None
        remember = Remembered(
            version=version,
            place=hit.place,
            metadata_etag=etag,
            metadata_modified=modified,
            etag=hit.etag,
            modified=hit.modified,
            name=self._name,
        )
        if not _names(hit, version):
            # Notes are often written after the release: the next search is not to be
            # settled by metadata that say what they said today.
            remember = replace(
                remember, version=None, metadata_etag=None, metadata_modified=None
            )
        where = {
            How.LINK: "the metadata leads to it",
            How.ARCHIVE: "it is in the published archive",
            How.FILE: "it is in the repository",
            How.RELEASES: "the code host keeps the releases",
            How.DESCRIPTION: "the description has a part about changes",
        }.get(hit.place.how, "")
        after = f" (of {self._name}, its successor)" if self._name else ""
        return Finding(
            self._package,
            Status.FOUND,
            f"{where}: {hit.place.url}{after}",
            tuple(self._trail.steps),
            remember,
            text=hit.data if isinstance(hit, Text) else None,
            filename=hit.path if isinstance(hit, Text) else None,
            releases=hit.releases if isinstance(hit, Notes) else None,
            place=hit.place,
            version=version,
            repository=self._repository_page(hit.place),
            requests=self._trail.requests,
        )

    def _end(self, status: Status, why: str, *, keep: bool = False) -> Finding:
        """A Finding without a text. What was remembered stays, but for what is newer.

        *keep*: all of it stays.
        """
        remember = self._remembered
        about = self._about
        if status in (Status.UNCHANGED, Status.NONE) and about is not None and not keep:
            etag, modified = self._validators
            remember = replace(
                remember, version=about.version, metadata_etag=etag, metadata_modified=modified
            )
            if status is Status.NONE:
                remember = replace(remember, place=None, etag=None, modified=None)
        return Finding(
            self._package,
            status,
            why,
            tuple(self._trail.steps),
            remember,
            place=remember.place if status is Status.UNCHANGED else None,
            version=about.version if about is not None else remember.version,
            repository=self._repository_page(remember.place),
            requests=self._trail.requests,
        )

    def _repository_page(self, place: Place | None) -> str | None:
        repository = self._about.repository if self._about is not None else None
        if repository is not None:
            looked = self._repositories.looked.get(repository.page)
            return looked.now.page if looked is not None else repository.page
        if place is not None and place.repository:
            return Repository(place.provider, place.repository).page
        return None

    def _why_none(self) -> str:
        reasons = [
            f"{step.how}: {step.detail or 'nothing'}"
            for step in self._trail.steps
            if step.result in (Result.NOTHING, Result.SKIPPED)
        ]
        if self._about is not None and self._about.repository is None:
            reasons.insert(0, "metadata: names no repository that we know to ask")
        return "none found; " + "; ".join(reasons)[:1000]


def _names(hit: Hit, version: str | None) -> bool:
    """Whether the changelog tells of *version*; True when none is known."""
    if version is None:
        return True
    if isinstance(hit, Text):
        return version.encode() in hit.data
    return any(version in release.tag for release in hit.releases)
