"""What the four registries tell of a package, in one form; and how to ask them.

Sources, read 2026-11: npm/registry docs/REGISTRY-API.md (`GET /{package}/latest` is one
manifest) · pypi/warehouse docs/user/api/json.md · guides.rubygems.org/rubygems-org-api ·
doc.rust-lang.org/cargo/reference/registry-index.html, whose sparse index crates.io prefers
to its API (crates.io/data-access): index and archives are files without a limit, and the
Cargo.toml in the archive names the repository, so that the API is never asked.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from ventil.changelog.finder import links
from ventil.changelog.finder.links import Repository, Target
from ventil.changelog.finder.model import Package
from ventil.changelog.finder.names import may_be_changelog
from ventil.changelog.finder.texts import successor
from ventil.core.exchange import Request

_METADATA_BYTES = 24 * 1024 * 1024
_LARGE_ARCHIVE = 16 * 1024 * 1024

PROVIDERS = {
    "npm": "npm-registry",
    "pypi": "pypi",
    "gem": "rubygems",
    "cargo": "crates-index",
}
"""Which provider tells of the packages of an ecosystem."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A published archive: where, in which form, how large (bytes; None when not told).

    `ships` is whether it holds a changelog, by what the metadata says; None for unknown.
    """

    provider: str
    target: str
    form: str
    origin: str | None = None
    size: int | None = None
    ships: bool | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What a registry told of a package."""

    version: str | None = None
    links: tuple[Target, ...] = ()
    repository: Repository | None = None
    archive: Archive | None = None
    description: str = ""
    successor: str | None = None


def request(package: Package, headers: Mapping[str, str]) -> Request:
    """The request for a package's metadata."""
    name = package.name
    match package.ecosystem:
        case "npm":
            target = f"/{quote(name, safe='@')}/{quote(package.version or 'latest')}"
        case "pypi":
            exact = f"/{quote(package.version, safe='')}" if package.version else ""
            target = f"/pypi/{pypi_name(name)}{exact}/json"
        case "gem":
            target = f"/api/v1/gems/{quote(name, safe='')}.json"
        case _:
            target = f"/{index_path(name)}"
    return Request(target, headers=headers, max_body_bytes=_METADATA_BYTES)


def pypi_name(name: str) -> str:
    """The normalised name (packaging.python.org, name normalization); others are 301."""
    return quote(re.sub(r"[-_.]+", "-", name).lower(), safe="-")


def index_path(name: str) -> str:
    """A crate's file in the index (cargo reference, "index files")."""
    low = quote(name.lower(), safe="-_")
    if len(low) < 3:
        return f"{len(low)}/{low}"
    return f"3/{low[0]}/{low}" if len(low) == 3 else f"{low[:2]}/{low[2:4]}/{low}"


def name_fault(package: Package) -> str | None:
    """Why a package cannot be asked about; None when it can."""
    name = package.name
    if package.ecosystem not in PROVIDERS:
        return f"packages of type {package.ecosystem!r} cannot be looked up"
    if not name or len(name) > 214 or not name.isprintable():
        return "the name is empty, too long or cannot be printed"
    pieces = name.split("/")
    scoped = package.ecosystem == "npm" and name.startswith("@")
    if len(pieces) != 1 + scoped or any(p in ("", ".", "..", "@") for p in pieces):
        return "the name is not one of this registry"
    if package.ecosystem != "npm" and not re.fullmatch(r"[A-Za-z0-9._-]+", name, re.ASCII):
        return "the name is not one of this registry"
    return None


def about(package: Package, body: bytes) -> About | None:
    """What the body of a 200 says; None when it is no answer of such a registry."""
    try:
        if package.ecosystem == "cargo":
            return _cargo(package, body)
        told = msgspec.json.decode(body)
        if not isinstance(told, dict):
            return None
        match package.ecosystem:
            case "npm":
                return _npm(package, told)
            case "pypi":
                return _pypi(told)
            case _:
                return _gem(package, told)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None


def _npm(package: Package, told: dict[str, Any]) -> About | None:
    version = told.get("version")
    if not isinstance(version, str):
        return None
    declared = told.get("repository")
    folder = ""
    if isinstance(declared, dict):
        folder = links.clean_path(_text(declared.get("directory")).strip("/")) or ""
        declared = declared.get("url")
    repository = links.repository_of(links.read_link(declared))
    urls = {
        "homepage": told.get("homepage"),
        "bugs": _url_in(told.get("bugs")),
    }
    if repository is None:
        repository = links.source_of(urls)
    if repository is not None and folder:
        repository = Repository(repository.host, repository.path, folder)
    dist = told.get("dist")
    archive = None
    if isinstance(dist, dict):
        place = links.origin_and_target(dist.get("tarball"))
        size = dist.get("unpackedSize")
        if place is not None:
            files = told.get("files")
            ships = None
            if isinstance(files, list):
                named = [f for f in files if isinstance(f, str)]
                ships = True if any(map(_names_changelog, named)) else None
            archive = Archive(
                "npm-registry",
                place[1],
                "tgz",
                origin=place[0],
                # Text packs to a quarter or less.
                size=size // 4 if isinstance(size, int) else None,
                ships=ships,
            )
    return About(
        version=version,
        links=tuple(links.changelog_links({"changelog": told.get("changelog")})),
        repository=repository,
        archive=archive,
        successor=successor(_text(told.get("deprecated"))),
    )


def _names_changelog(pattern: str) -> bool:
    """Whether an entry of npm's `files` names a changelog: "CHANGELOG.md", "/CHANGES*"."""
    return may_be_changelog(pattern.strip("/").replace("*", "").removeprefix("./"))


def _pypi(told: dict[str, Any]) -> About | None:
    info = told.get("info")
    if not isinstance(info, dict) or not isinstance(info.get("version"), str):
        return None
    urls = info.get("project_urls")
    urls = dict(urls) if isinstance(urls, dict) else {}
    urls.setdefault("home_page", info.get("home_page"))
    archive = None
    files = told.get("urls")
    for file in files if isinstance(files, list) else []:
        if not isinstance(file, dict) or file.get("packagetype") != "sdist":
            continue
        place = links.origin_and_target(file.get("url"))
        name, size = _text(file.get("filename")), file.get("size")
        form = "zip" if name.endswith(".zip") else "tar.gz"
        if place is None or not name.endswith((".zip", ".tar.gz", ".tgz")):
            continue
        archive = Archive(
            "pypi",
            place[1],
            form,
            origin=place[0],
            size=size if isinstance(size, int) else None,
        )
        break
    return About(
        version=info["version"],
        links=tuple(links.changelog_links(urls)),
        repository=links.source_of(urls),
        archive=archive,
        description=_text(info.get("description")),
        successor=successor(_text(info.get("summary"))),
    )


def _gem(package: Package, told: dict[str, Any]) -> About | None:
    version = package.version or told.get("version")
    if not isinstance(version, str):
        return None
    metadata = told.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    urls = {
        "changelog": told.get("changelog_uri") or metadata.get("changelog_uri"),
        "source": told.get("source_code_uri") or metadata.get("source_code_uri"),
        "homepage": told.get("homepage_uri") or metadata.get("homepage_uri"),
        "bugtracker": told.get("bug_tracker_uri") or metadata.get("bug_tracker_uri"),
    }
    place = links.origin_and_target(told.get("gem_uri"))
    target = f"/gems/{quote(package.name, safe='')}-{quote(version, safe='')}.gem"
    if place is not None and place[1].startswith("/gems/") and package.version is None:
        target = place[1]  # a gem for one platform only has it in its file's name
    return About(
        version=version,
        links=tuple(links.changelog_links({"changelog": urls["changelog"]})),
        repository=links.source_of(urls),
        archive=Archive("rubygems", target, "gem"),
        successor=successor(_text(told.get("info"))),
    )


class _Line(msgspec.Struct):
    vers: str
    yanked: bool = False


def _cargo(package: Package, body: bytes) -> About | None:
    found: list[tuple[tuple[object, ...], str]] = []
    for line in body.splitlines():
        if line.strip():
            entry = msgspec.json.decode(line, type=_Line)
            key = _precedence(entry.vers)
            if key is not None:
                found.append(((not entry.yanked, *key), entry.vers))
    if not found:
        return None
    version = package.version or max(found)[1]
    name = quote(package.name, safe="-_")
    return About(
        version=version,
        archive=Archive(
            "crates-static",
            f"/crates/{name}/{name}-{quote(version, safe='+-.')}.crate",
            "tar.gz",
        ),
    )


_SEMVER = re.compile(r"(\d{1,18})\.(\d{1,18})\.(\d{1,18})(-[0-9A-Za-z.-]{1,200})?(?:\+.*)?")


def _precedence(version: str) -> tuple[object, ...] | None:
    """For choosing the latest: releases before pre-releases, then by their numbers."""
    found = _SEMVER.fullmatch(version)
    if found is None:
        return None
    numbers = tuple(int(found[group]) for group in (1, 2, 3))
    return (found[4] is None, numbers, found[4] or "")


def from_crate(manifest: bytes, vcs: bytes) -> Repository | None:
    """The repository that a Cargo.toml names, with the crate's folder in it.

    The folder is what `cargo package` notes in `.cargo_vcs_info.json` as `path_in_vcs`
    (doc.rust-lang.org/cargo/commands/cargo-package.html, read 2026-11).
    """
    try:
        package = tomllib.loads(manifest.decode("utf-8", "replace")).get("package")
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return None
    if not isinstance(package, dict):
        return None
    repository = links.source_of(
        {"repository": package.get("repository"), "homepage": package.get("homepage")}
    )
    try:
        noted = msgspec.json.decode(vcs) if vcs else None
    except (msgspec.DecodeError, RecursionError, ValueError):
        noted = None
    folder = links.clean_path(noted.get("path_in_vcs")) if isinstance(noted, dict) else None
    if repository is not None and folder:
        return Repository(repository.host, repository.path, folder)
    return repository


def too_large(archive: Archive, bound: int) -> bool:
    """Whether the archive is larger than *bound* bytes, by what the registry says."""
    return archive.size is not None and archive.size > min(bound, _LARGE_ARCHIVE)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _url_in(value: object) -> object:
    return value.get("url") if isinstance(value, dict) else value
