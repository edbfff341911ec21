"""Looking into the archive that was published: one request, and what was unpacked of it."""

from __future__ import annotations

from ventil.changelog.finder import archive as archives
from ventil.changelog.finder import registries
from ventil.changelog.finder.links import Repository
from ventil.changelog.finder.model import Ask, How, Place, Result, Unpack
from ventil.changelog.finder.registries import Archive
from ventil.changelog.finder.repository import RepositorySearch
from ventil.changelog.finder.texts import points_to, tells_of_releases
from ventil.changelog.finder.trail import Asking, Hit, Text, Trail, body_of
from ventil.core.exchange import Request


class ArchiveSearch:
    """The part of a search that looks into archives."""

    def __init__(self, trail: Trail, repositories: RepositorySearch) -> None:
        self._trail = trail
        self._repositories = repositories

    def look(
        self, archive: Archive, version: str
    ) -> Asking[tuple[Hit | None, Repository | None]]:
        """Fetch the archive and look into it; the repository is what a crate says of it."""
        package, bound = self._trail.package, self._trail.manners.archive_bytes
        place = f"{package.purl}@{version}"
        if registries.too_large(archive, bound):
            why = f"about {(archive.size or 0) // 2**20} MiB, which is too much to look into"
            self._trail.note(How.ARCHIVE, place, Result.SKIPPED, why)
            return None, None
        ask = Ask(
            archive.provider,
            Request(archive.target, max_body_bytes=bound),
            origin=archive.origin,
            unpack=Unpack(archive.form, name=package.name),
        )
        reply = yield from self._trail.ask(ask)
        body = body_of(reply)
        if body is None:
            self._trail.refused(How.ARCHIVE, place, reply)
            return None, None
        try:
            found = archives.contents(body)
        except ValueError:
            self._trail.note(How.ARCHIVE, place, Result.FAILED, "was not unpacked")
            return None, None
        repository = (
            registries.from_crate(found.manifest, found.vcs) if found.manifest else None
        )
        texts = {file.path: file.text for file in found.files}
        for path, text in texts.items():
            hit = yield from self._archived(path, text, texts, archive, place)
            if hit is not None:
                return hit, repository
        if not texts:
            why = f"none among {found.entries} entries"
            if found.too_large:
                why = f"{found.too_large[0]} is too large to be read"
            if found.fault:
                why += f" ({found.fault})"
            self._trail.note(How.ARCHIVE, place, Result.NOTHING, why)
        return None, repository

    def _archived(
        self, path: str, text: bytes, texts: dict[str, bytes], archive: Archive, place: str
    ) -> Asking[Hit | None]:
        where = f"{place}#{path}"
        if not tells_of_releases(text):
            pointer = points_to(text, path)
            if isinstance(pointer, str) and tells_of_releases(texts.get(pointer, b"")):
                path, text, where = pointer, texts[pointer], f"{place}#{pointer}"
            elif pointer is None or isinstance(pointer, str):
                why = "names no version" if pointer is None else f"points to {pointer}"
                self._trail.note(How.ARCHIVE, where, Result.NOTHING, why)
                return None
            else:
                self._trail.note(How.ARCHIVE, where, Result.LEADS_ON, "points elsewhere")
                return (yield from self._repositories.follow(pointer, None))
        self._trail.note(How.ARCHIVE, where, Result.FOUND)
        found = Place(How.ARCHIVE, where, archive.provider, path=path)
        return Text(text, path, found)
