"""Looking into a repository: one listing, then one file; or its releases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ventil.changelog.finder import forges, graphql, names
from ventil.changelog.finder.links import (
    Elsewhere,
    FileLink,
    ReleasesLink,
    Repository,
    clean_path,
)
from ventil.changelog.finder.model import HostRelease, How, Place, Result
from ventil.changelog.finder.tags import own_releases
from ventil.changelog.finder.texts import Pointer, points_to, tells_of_releases
from ventil.changelog.finder.trail import (
    Asking,
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

MOST_CANDIDATES = 2
"""Files of a listing that are opened before we look elsewhere."""


@dataclass(slots=True)
class Looked:
    """What is known of a repository after a look into it.

    `now` is the repository by the name that it has now. `whole`: all files that could be a
    changelog were seen, and none was one. `latest` are its newest releases where the look
    told them, None where it did not. `blobs` are files whose texts came along, by path.
    """

    now: Repository
    whole: bool = False
    latest: tuple[HostRelease, ...] | None = None
    blobs: dict[str, Any] = field(default_factory=dict)


class RepositorySearch:
    """The part of a search that looks into repositories. Remembers what it has seen."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._graphql = trail.manners.graphql
        self.looked: dict[str, Looked] = {}
        self._opened: set[tuple[str, str, str | None]] = set()
        self._asked_releases: set[str] = set()

    def forget(self) -> None:
        """Begin anew: what was opened may be opened again."""
        self.looked.clear()
        self._opened.clear()
        self._asked_releases.clear()

    # Files

    def files(self, repository: Repository, version: str | None) -> Asking[Hit | None]:
        """List the repository and fetch the likeliest changelog in it."""
        if repository.host == "github" and self._graphql:
            paths = yield from self._look(repository)
        else:
            paths = yield from self._list(repository)
        looked = self.looked.get(repository.page)
        repository = looked.now if looked is not None else repository
        candidates = self._choose(paths, repository)
        if looked is not None and candidates:
            looked.whole = False
        stale: Text | None = None
        for path in candidates[:MOST_CANDIDATES]:
            hit = yield from self.file(repository, path, None, How.FILE)
            if isinstance(hit, Text) and self._is_stale(hit, looked, version):
                stale = stale or hit
                continue
            if isinstance(hit, Text | Notes):
                return hit
        if stale is not None:
            notes = yield from self.releases(repository)
            return notes or stale
        return None

    def _is_stale(self, hit: Text, looked: Looked | None, version: str | None) -> bool:
        """Whether the latest version stands among the releases, and not in the file."""
        if looked is None or not looked.latest or not version:
            return False
        if version.encode() in hit.data:
            return False
        return any(version in r.tag and len(r.body) >= 20 for r in looked.latest)

    def file(
        self,
        repository: Repository,
        path: str,
        ref: str | None,
        how: How,
        *,
        etag: str | None = None,
        modified: str | None = None,
        follow: bool = True,
    ) -> Asking[Hit | Same | None]:
        """Fetch one file, and if it only points elsewhere, what it points to, once."""
        if (repository.page, path, ref) in self._opened:
            return None
        self._opened.add((repository.page, path, ref))
        page = forges.page_of(repository, path, ref)
        found: Text | Same | None = None
        asked_rest = True
        if repository.host == "github" and self._graphql:
            found, asked_rest = yield from self._blob(repository, path, ref, how, etag)
        if asked_rest:
            found = yield from self._raw(repository, path, ref, how, etag, modified)
        if not isinstance(found, Text):
            return found
        if tells_of_releases(found.data) and not _is_link(found.data):
            self._trail.note(how, page, Result.FOUND)
            return found
        pointer = points_to(found.data, path)
        if pointer is None and tells_of_releases(found.data):
            self._trail.note(how, page, Result.FOUND)
            return found
        if pointer is None:
            self._trail.note(how, page, Result.NOTHING, "names no version")
            return None
        self._trail.note(how, page, Result.LEADS_ON, f"points to {_words(pointer)}")
        return (yield from self.follow(pointer, repository, ref)) if follow else None

    def follow(
        self, pointer: Pointer, repository: Repository | None, ref: str | None = None
    ) -> Asking[Hit | None]:
        """Go where a text or the metadata points; no further than that."""
        hit: Hit | Same | None = None
        match pointer:
            case FileLink():
                hit = yield from self.file(
                    pointer.repository, pointer.path, pointer.ref, How.LINK, follow=False
                )
            case ReleasesLink():
                hit = yield from self.releases(pointer.repository)
            case Elsewhere():
                self._trail.note(
                    How.LINK, pointer.url, Result.SKIPPED, "no host that we know to ask"
                )
            case str() if repository is not None:
                hit = yield from self.file(repository, pointer, ref, How.FILE, follow=False)
        return hit if isinstance(hit, Text | Notes) else None

    def _blob(
        self, repository: Repository, path: str, ref: str | None, how: How, etag: str | None
    ) -> Asking[tuple[Text | Same | None, bool]]:
        """The file by GraphQL; whether REST is to be asked in its place."""
        page = forges.page_of(repository, path, ref)
        looked = self.looked.get(repository.page)
        blob = looked.blobs.get(path) if looked is not None and ref is None else None
        if blob is None:
            owner, name = repository.path.split("/")
            reply = yield from self._trail.ask(
                graphql.ask(owner, name, graphql.text_of(path, ref or "HEAD"))
            )
            told = graphql.repository_in(reply)
            if isinstance(told, str):
                self._untold(how, page, told)
                return None, False
            blob = told.get("file")
            repository = _renamed(repository, told)
        if not isinstance(blob, dict) or "oid" not in blob:
            self._trail.note(how, page, Result.NOTHING, "not there")
            return None, False
        oid = f"oid:{blob['oid']}"[:100]
        if oid == etag:
            self._trail.note(how, page, Result.UNCHANGED)
            return Same(), False
        text, size = blob.get("text"), blob.get("byteSize")
        if isinstance(size, int) and size > self._trail.manners.text_bytes:
            self._trail.note(how, page, Result.NOTHING, f"not read: it has {size} bytes")
            return None, False
        if not isinstance(text, str) or blob.get("isTruncated") is True:
            return None, True  # too long for GraphQL, or not UTF-8
        place = Place(how, page, repository.host, repository.path, path)
        return Text(text.encode("utf-8", "surrogatepass"), path, place, oid), False

    def _raw(
        self,
        repository: Repository,
        path: str,
        ref: str | None,
        how: How,
        etag: str | None,
        modified: str | None,
    ) -> Asking[Text | Same | None]:
        page = forges.page_of(repository, path, ref)
        ask = forges.file(
            repository, path, ref, self._trail.manners, conditions(etag, modified)
        )
        reply = yield from self._trail.ask(ask, forges.base_of(repository))
        if isinstance(reply, Response) and reply.status == 304:
            self._trail.note(how, page, Result.UNCHANGED)
            return Same()
        data = body_of(reply)
        if data is None:
            self._trail.refused(how, page, reply)
            return None
        place = Place(how, page, repository.host, repository.path, path)
        return Text(data, path, place, *validators_of(reply))

    # Listings

    def _look(self, repository: Repository) -> Asking[list[str]]:
        """What GraphQL tells at once: three folders and the newest releases."""
        folders = ["", "docs"]
        if repository.folder:
            folders += [repository.folder, f"{repository.folder}/docs"]
        else:
            # Where it would be among others; in the same request a look costs nothing.
            bare = self._trail.package.name.rpartition("/")[2]
            folders += [f for f in (f"packages/{bare}", bare) if clean_path(f) == f]
        owner, name = repository.path.split("/")
        likely = f"{repository.folder}/CHANGELOG.md".lstrip("/")
        selection = graphql.look(folders, likely)
        reply = yield from self._trail.ask(graphql.ask(owner, name, selection))
        told = graphql.repository_in(reply)
        if isinstance(told, str):
            self._untold(How.LISTING, repository.page, told)
            return []
        now = _renamed(repository, told)
        paths = _tree_paths(told, folders)
        releases = told.get("releases")
        nodes = releases.get("nodes") if isinstance(releases, dict) else None
        latest = tuple(forges.graphql_releases(nodes)) if isinstance(nodes, list) else None
        self.looked[repository.page] = self.looked[now.page] = Looked(
            now, whole=False, latest=latest, blobs={likely: told.get("likely")}
        )
        self._note_listing(repository, now, paths)
        return paths

    def _list(self, repository: Repository) -> Asking[list[str]]:
        """REST: everything at once where the host can, else the package's folder, the root."""
        looked = self.looked.setdefault(repository.page, Looked(repository))
        paths: list[str] = []
        if repository.host == "github":
            reply = yield from self._trail.ask(
                forges.list_tree(repository), forges.base_of(repository)
            )
            if is_absent(reply):
                self._trail.refused(How.LISTING, repository.page, reply)
                return []
            listing = forges.read_listing(repository, body_of(reply) or b"", _headers(reply))
            if listing is not None:  # else it was too large, or the host is unwell
                paths += listing.files
                looked.whole = listing.whole
                self._note_listing(repository, repository, paths)
                best = self._choose(paths, repository)[:1]
                # Of a tree that is cut off, only what lies in the package's own folder
                # is sure to be the best.
                if listing.whole or any(self._is_inside(path, repository) for path in best):
                    return paths
        if repository.folder:
            listing = yield from self._folder(repository, repository.folder)
            paths += listing.files if listing is not None else ()
            if any(self._is_inside(path, repository) for path in paths):
                return paths
        root = yield from self._folder(repository, "")
        if root is None:
            return paths
        paths += root.files
        if not any(names.is_sure(path) for path in self._choose(paths, repository)):
            for folder in ("docs", "doc"):
                if folder in root.folders:
                    inner = yield from self._folder(repository, folder)
                    paths += inner.files if inner is not None else ()
                    break
        # The root and its documentation: npm packs nothing from further down as its own.
        looked.whole = root.whole
        return paths

    def _folder(self, repository: Repository, folder: str) -> Asking[forges.Listing | None]:
        page = 1
        files: list[str] = []
        folders: set[str] = set()
        for _ in range(forges.MOST_PAGES):
            ask = forges.list_folder(repository, folder, page)
            reply = yield from self._trail.ask(ask, forges.base_of(repository))
            told = body_of(reply)
            where = f"{repository.page} {folder}".strip()
            if told is None:
                self._trail.refused(How.LISTING, where, reply)
                break
            listing = forges.read_listing(repository, told, _headers(reply))
            if listing is None:
                self._trail.note(How.LISTING, where, Result.FAILED, "not a listing")
                break
            files += listing.files
            folders |= listing.folders
            self._note_listing(repository, repository, files, folder)
            if listing.more is None or self._choose(files, repository):
                return forges.Listing(tuple(files), frozenset(folders))
            page = listing.more
        if not files:
            return None
        return forges.Listing(tuple(files), frozenset(folders), whole=False)

    def _is_inside(self, path: str, repository: Repository) -> bool:
        """Whether *path* may be a changelog and lies in the package's own folder."""
        top = f"{repository.folder}/" if repository.folder else ""
        return path.startswith(top) and bool(self._choose((path,), repository))

    def _choose(self, paths: Iterable[str], repository: Repository) -> list[str]:
        return names.choose(
            paths, folder=repository.folder, name=self._trail.package.name.lower()
        )

    def _note_listing(
        self, repository: Repository, now: Repository, paths: list[str], folder: str = ""
    ) -> None:
        best = self._choose(paths, now)
        where = f"{repository.page} {folder}".strip()
        moved = now.path != repository.path or self._trail.moved(
            repository.host, forges.base_of(repository)
        )
        renamed = f"renamed to {now.path}; " if now.path != repository.path else ""
        if moved and not renamed:
            renamed = "renamed; "
        if best:
            self._trail.note(How.LISTING, where, Result.LEADS_ON, f"{renamed}has {best[0]}")
        else:
            seen = f"{renamed}none among {len(paths)} files"
            self._trail.note(How.LISTING, where, Result.NOTHING, seen)

    def _untold(self, how: How, page: str, why: str) -> None:
        gone = why == "no such repository"
        self._trail.note(how, page, Result.NOTHING if gone else Result.FAILED, why)

    # Releases

    def releases(
        self, repository: Repository, *, etag: str | None = None, modified: str | None = None
    ) -> Asking[Notes | None]:
        """The releases that the host keeps, when any says something about this package."""
        hit = yield from self.releases_again(repository, etag, modified)
        return hit if isinstance(hit, Notes) else None

    def releases_again(
        self, repository: Repository, etag: str | None, modified: str | None
    ) -> Asking[Notes | Same | None]:
        """The same, and `Same` when they have not changed since."""
        looked = self.looked.get(repository.page)
        if looked is not None:
            repository = replace(looked.now, folder=repository.folder or looked.now.folder)
        page = forges.releases_page(repository)
        if page in self._asked_releases:
            return None
        self._asked_releases.add(page)
        if looked is not None and looked.latest == ():
            self._trail.note(How.RELEASES, page, Result.NOTHING, "there are none")
            return None
        place = Place(How.RELEASES, page, repository.host, repository.path)
        found: list[HostRelease] | None
        reply_etag: str | None = None
        reply_modified: str | None = None
        if repository.host == "github" and self._graphql:
            owner, name = repository.path.split("/")
            selection = graphql.releases(self._trail.manners.releases)
            reply = yield from self._trail.ask(graphql.ask(owner, name, selection))
            told = graphql.repository_in(reply)
            if isinstance(told, str):
                self._untold(How.RELEASES, page, told)
                return None
            connection = told.get("releases")
            nodes = connection.get("nodes") if isinstance(connection, dict) else None
            found = forges.graphql_releases(nodes)
        else:
            ask = forges.releases(repository, self._trail.manners, conditions(etag, modified))
            reply = yield from self._trail.ask(ask, forges.base_of(repository))
            if isinstance(reply, Response) and reply.status == 304:
                self._trail.note(How.RELEASES, page, Result.UNCHANGED)
                return Same()
            body = body_of(reply)
            if body is None:
                self._trail.refused(How.RELEASES, page, reply)
                return None
            found = forges.read_releases(body)
            reply_etag, reply_modified = validators_of(reply)
        if found is None:
            self._trail.note(How.RELEASES, page, Result.FAILED, "not a list of releases")
            return None
        own = own_releases(found, self._trail.package.name, repository)
        told_something = [release for release in own if release.body.strip()]
        if not told_something:
            why = "there are none" if not found else "none of this package with notes"
            self._trail.note(How.RELEASES, page, Result.NOTHING, why)
            return None
        detail = f"{len(own)} of {len(found)}"
        self._trail.note(How.RELEASES, page, Result.FOUND, detail)
        return Notes(tuple(own), place, reply_etag, reply_modified)


def _renamed(repository: Repository, told: Mapping[str, Any]) -> Repository:
    now = told.get("nameWithOwner")
    if not isinstance(now, str) or now.count("/") != 1 or now == repository.path:
        return repository
    return replace(repository, path=now)


def _tree_paths(told: Mapping[str, Any], folders: list[str]) -> list[str]:
    paths: list[str] = []
    for number, folder in enumerate(folders):
        tree = told.get(f"t{number}")
        entries = tree.get("entries") if isinstance(tree, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            if not isinstance(entry, dict) or entry.get("type") != "blob":
                continue
            path = clean_path(f"{folder}/{entry.get('name')}".lstrip("/"))
            if path:
                paths.append(path)
    return paths


def _is_link(data: bytes) -> bool:
    """One line that is nothing but a path: a symbolic link."""
    return len(data) < 300 and b"\n" not in data.strip() and b"/" in data and b" " not in data


def _words(pointer: Pointer) -> str:
    match pointer:
        case str():
            return pointer
        case FileLink():
            return forges.page_of(pointer.repository, pointer.path, pointer.ref)
        case ReleasesLink():
            return forges.releases_page(pointer.repository)
        case Repository():
            return pointer.page
        case Elsewhere():
            return pointer.url


def _headers(reply: object) -> Mapping[str, str]:
    return reply.headers if isinstance(reply, Response) else {}
