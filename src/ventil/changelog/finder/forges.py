"""The code hosts' REST APIs: listings, files and releases, each with its own spelling.

Sources, read 2026-11: docs.github.com/rest (git/trees, repos/contents, releases) ·
docs.gitlab.com/api (repositories, repository_files, releases) · codeberg.org/api/swagger
(Forgejo). All are relative to the API's base URL. Files are asked for by the path that a
listing gave, in their raw form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from ventil.changelog.finder.links import Repository, clean_path
from ventil.changelog.finder.model import Ask, HostRelease, Manners
from ventil.core.exchange import Request

_LISTING_BYTES = 8 * 1024 * 1024
_RELEASES_BYTES = 16 * 1024 * 1024
_RAW = "application/vnd.github.raw+json"
_GITHUB = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
MOST_PAGES = 3
"""Pages of a directory that are read: GitLab lists folders before files."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a listing told: paths of files, and folders beside them.

    `whole`: nothing was left out. `more`: the number of the next page, None when it is over.
    """

    files: tuple[str, ...]
    folders: frozenset[str] = frozenset()
    whole: bool = True
    more: int | None = None


def list_tree(repository: Repository) -> Ask:
    """List all files of a repository at once, where its host can; the root where not."""
    if repository.host == "github":
        return _ask(
            repository, f"/repos/{repository.path}/git/trees/HEAD?recursive=1", _LISTING_BYTES
        )
    return list_folder(repository, "")


def list_folder(repository: Repository, folder: str, page: int = 1) -> Ask:
    """List one folder, "" for the root."""
    match repository.host:
        case "github":
            if folder:
                # `contents` ends at 1,000 entries, and a folder of a package has fewer.
                target = f"/repos/{repository.path}/contents/{quote(folder)}"
            else:
                target = f"/repos/{repository.path}/git/trees/HEAD"
        case "gitlab":
            target = f"{_project(repository)}/repository/tree?per_page=100&page={page}"
            if folder:
                target += f"&path={quote(folder, safe='')}"
        case _:
            target = f"/api/v1/repos/{repository.path}/contents"
            if folder:
                target += f"/{quote(folder)}"
    return _ask(repository, target, _LISTING_BYTES)


def file(
    repository: Repository,
    path: str,
    ref: str | None,
    manners: Manners,
    validators: Mapping[str, str] | None = None,
) -> Ask:
    """Fetch a file; *ref* None is the default branch, *validators* make it conditional."""
    headers = dict(validators or {})
    match repository.host:
        case "github":
            target = f"/repos/{repository.path}/contents/{quote(path)}"
            target += f"?ref={quote(ref, safe='')}" if ref else ""
            headers["Accept"] = _RAW
        case "gitlab":
            target = f"{_project(repository)}/repository/files/{quote(path, safe='')}/raw"
            target += f"?ref={quote(ref or 'HEAD', safe='')}"
        case _:
            target = f"/api/v1/repos/{repository.path}/raw/{quote(path)}"
            target += f"?ref={quote(ref, safe='')}" if ref else ""
    return _ask(repository, target, manners.text_bytes, headers)


def releases(
    repository: Repository, manners: Manners, validators: Mapping[str, str] | None = None
) -> Ask:
    """Ask for a repository's latest releases with their notes."""
    number = min(manners.releases, 100)
    match repository.host:
        case "github":
            target = f"/repos/{repository.path}/releases?per_page={number}"
        case "gitlab":
            target = f"{_project(repository)}/releases?per_page={number}"
        case _:
            target = f"/api/v1/repos/{repository.path}/releases?limit={min(number, 50)}"
    return _ask(repository, target, _RELEASES_BYTES, dict(validators or {}))


def read_listing(
    repository: Repository, body: bytes, headers: Mapping[str, str]
) -> Listing | None:
    """What the body of a listing's 200 says; None when it is no listing."""
    told = _decode(body)
    truncated = False
    if isinstance(told, dict) and isinstance(told.get("tree"), list):
        truncated = told.get("truncated") is True
        told = told["tree"]
    if not isinstance(told, list):
        return None
    files: list[str] = []
    folders: set[str] = set()
    for entry in told:
        if not isinstance(entry, dict):
            return None
        path = clean_path(entry.get("path") or entry.get("name"))
        if not path:
            continue
        if entry.get("type") in ("blob", "file", "symlink"):
            files.append(path)
        elif entry.get("type") in ("tree", "dir"):
            folders.add(path)
    more = headers.get("x-next-page", "")
    return Listing(
        files=tuple(files),
        folders=frozenset(folders),
        whole=not truncated and not (repository.host == "github" and len(told) == 1000),
        more=int(more) if more.isdecimal() and len(more) < 6 else None,
    )


def read_releases(body: bytes) -> list[HostRelease] | None:
    """What the body of the releases' 200 says, drafts left out; None when it is no list."""
    told = _decode(body)
    if not isinstance(told, list):
        return None
    found = []
    for entry in told:
        if not isinstance(entry, dict) or entry.get("draft") is True:
            continue
        release = host_release(
            entry.get("tag_name"),
            entry.get("name"),
            entry.get("body") or entry.get("description"),
            entry.get("published_at") or entry.get("released_at") or entry.get("created_at"),
            entry.get("prerelease"),
        )
        if release is not None:
            found.append(release)
    return found


def graphql_releases(nodes: object) -> list[HostRelease]:
    """The releases among GraphQL's nodes."""
    found = []
    for node in nodes if isinstance(nodes, list) else []:
        if not isinstance(node, dict) or node.get("isDraft") is True:
            continue
        release = host_release(
            node.get("tagName"),
            node.get("name"),
            node.get("description"),
            node.get("publishedAt"),
            node.get("isPrerelease"),
        )
        if release is not None:
            found.append(release)
    return found


def host_release(
    tag: object, name: object, body: object, published: object, prerelease: object
) -> HostRelease | None:
    """A release of whatever a host said; None without a tag."""
    if not isinstance(tag, str) or not tag or len(tag) > 300:
        return None
    return HostRelease(
        tag=tag,
        name=name if isinstance(name, str) else "",
        body=body if isinstance(body, str) else "",
        published=published if isinstance(published, str) and len(published) < 40 else None,
        prerelease=prerelease is True,
    )


def page_of(repository: Repository, path: str, ref: str | None = None) -> str:
    """Where people see a file."""
    where = {
        "github": f"/blob/{ref or 'HEAD'}/",
        "gitlab": f"/-/blob/{ref or 'HEAD'}/",
        "codeberg": f"/src/branch/{ref}/" if ref else "/src/",
    }[repository.host]
    return f"{repository.page}{where}{quote(path)}"


def releases_page(repository: Repository) -> str:
    """Where people see the releases."""
    return repository.page + ("/-/releases" if repository.host == "gitlab" else "/releases")


def _project(repository: Repository) -> str:
    return f"/api/v4/projects/{quote(repository.path, safe='')}"


def _ask(
    repository: Repository, target: str, bound: int, headers: Mapping[str, str] | None = None
) -> Ask:
    every = _GITHUB if repository.host == "github" else {}
    return Ask(
        repository.host,
        Request(target, headers={**every, **(headers or {})}, max_body_bytes=bound),
    )


def base_of(repository: Repository) -> str:
    """What the targets of all requests about a repository begin with."""
    if repository.host == "gitlab":
        return _project(repository)
    return f"{'' if repository.host == 'github' else '/api/v1'}/repos/{repository.path}"


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
