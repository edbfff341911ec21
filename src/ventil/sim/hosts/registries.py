"""npm's registry, PyPI, RubyGems, crates.io's index and archives, as their clients see them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ventil.sim.hosts.answer import Answer, Asked, as_json, as_text, conditional
from ventil.sim.hosts.archives import archive, repository_link
from ventil.sim.hosts.texts import description
from ventil.sim.hosts.world import DESCRIPTION, LISTED, UNREACHABLE, SimPackage, World

Urls = Callable[[str], str]
"""From a host's name here to its base URL."""

_PAGES = {"github": "github.com", "gitlab": "gitlab.com", "codeberg": "codeberg.org"}


class Registries:
    """Answers for the registries of a world."""

    def __init__(self, world: World, urls: Urls) -> None:
        self._world = world
        self._urls = urls
        self._pypi = {
            _normal(name): package
            for (kind, name), package in world.packages.items()
            if kind == "pypi"
        }

    def npm_registry(self, asked: Asked) -> Answer:
        """`/NAME/latest` and `/NAME/-/FILE.tgz`; an encoded slash in a scoped name or none."""
        parts = asked.path.strip("/").split("/")
        if len(parts) >= 3 and parts[-2] == "-":
            package = self._npm_package("/".join(parts[:-2]))
            return _archive(package, asked)
        if len(parts) >= 2:
            package = self._npm_package("/".join(parts[:-1]))
            if package is not None and parts[-1] in ("latest", package.version):
                return conditional(asked, as_json(self._manifest(package)))
        return as_json({"error": "Not found"}, 404)

    def _npm_package(self, name: str) -> SimPackage | None:
        name = name.replace("%2f", "/").replace("%2F", "/").replace("%40", "@")
        return self._world.packages.get(("npm", name))

    def _manifest(self, package: SimPackage) -> dict[str, Any]:
        name, version = package.name, package.version
        bare = name.rpartition("/")[2]
        base = self._urls("npm-registry")
        files = ["dist", "README.md", "CHANGELOG*"] if package.ships else ["dist", "README.md"]
        told: dict[str, Any] = {
            "name": name,
            "version": version,
            "dist": {
                "tarball": f"{base}/{name}/-/{bare}-{version}.tgz",
                "unpackedSize": 40_000,
                "fileCount": 7,
            },
        }
        if package.seed_bit(5) or package.where == "archive":
            told["files"] = files
        link = repository_link(package)
        if link is not None:
            told["repository"] = {"type": "git", "url": f"git+{link}.git"}
            if package.folder and package.tells_folder:
                told["repository"]["directory"] = package.folder
            told["homepage"] = f"{link}#readme"
        if package.successor:
            told["deprecated"] = f"This package has been renamed to {package.successor}."
        return told

    def pypi(self, asked: Asked) -> Answer:
        """`/pypi/NAME[/VERSION]/json`; a name that is not normalised is redirected."""
        found = re.fullmatch(r"/pypi/([^/]+)(?:/[^/]+)?/json", asked.path)
        if found is None:
            return as_text("404 Not Found", 404)
        if found[1] != _normal(found[1]):
            there = f"/pypi/{_normal(found[1])}/json"
            return Answer(301, b"", {"location": there})
        package = self._pypi.get(found[1])
        if package is None:
            return as_json({"message": "Not Found"}, 404)
        return conditional(asked, as_json(self._project(package)))

    def _project(self, package: SimPackage) -> dict[str, Any]:
        told: dict[str, str] = {}
        link = repository_link(package)
        if link is not None:
            told["Source" if package.seed_bit(6) else "Source Code"] = link
            told["Bug Tracker"] = f"{link}/issues"
        changelog = changelog_link(package)
        if changelog is not None:
            label = ("Changelog", "Release Notes", "What's New", "changes")
            told[label[2 * package.seed_bit(7) + package.seed_bit(8)]] = changelog
        stem = f"{package.name.replace('-', '_')}-{package.version}"
        files = self._urls("pypi-files")
        sdist = {
            "packagetype": "sdist",
            "filename": f"{stem}.tar.gz",
            "url": f"{files}/packages/{_normal(package.name)}/{stem}.tar.gz",
            "size": 30_000,
        }
        wheel = {**sdist, "packagetype": "bdist_wheel", "filename": f"{stem}-py3-none-any.whl"}
        return {
            "info": {
                "name": package.name,
                "version": package.version,
                "summary": "Does a thing.",
                "project_urls": told or None,
                "home_page": None,
                "description": description(package, tells=package.where == DESCRIPTION),
            },
            "urls": [wheel, sdist],
            "last_serial": package.current,
        }

    def pypi_files(self, asked: Asked) -> Answer:
        """The host of PyPI's files, another than PyPI's own."""
        parts = asked.parts
        package = self._pypi.get(parts[1]) if len(parts) == 3 else None
        return _archive(package, asked)

    def rubygems(self, asked: Asked) -> Answer:
        """`/api/v1/gems/NAME.json` and `/gems/NAME-VERSION.gem`."""
        found = re.fullmatch(r"/api/v1/gems/([^/]+)\.json", asked.path)
        if found is not None:
            package = self._world.packages.get(("gem", found[1]))
            if package is None:
                return as_text("This rubygem could not be found.", 404)
            return conditional(asked, as_json(self._gem(package)))
        found = re.fullmatch(r"/gems/(.+)-\d[^-/]*\.gem", asked.path)
        return _archive(
            self._world.packages.get(("gem", found[1])) if found is not None else None, asked
        )

    def _gem(self, package: SimPackage) -> dict[str, Any]:
        link = repository_link(package)
        base = self._urls("rubygems")
        return {
            "name": package.name,
            "version": package.version,
            "info": "Does a thing.",
            "gem_uri": f"{base}/gems/{package.name}-{package.version}.gem",
            "changelog_uri": changelog_link(package),
            "source_code_uri": link if package.seed_bit(6) else None,
            "homepage_uri": link,
            "metadata": {},
        }

    def crates_index(self, asked: Asked) -> Answer:
        """The sparse index: a line of JSON for each version, the oldest first."""
        package = self._world.packages.get(("cargo", asked.path.rpartition("/")[2]))
        if package is None or asked.path != _index_path(package.name):
            return as_text("<Error><Code>NoSuchKey</Code></Error>", 404, "application/xml")
        lines = [
            f'{{"name":"{package.name}","vers":"{entry.version}","deps":[],"yanked":false}}'
            for entry in package.history
        ]
        return conditional(asked, as_text("\n".join(lines) + "\n"))

    def crates_static(self, asked: Asked) -> Answer:
        """`/crates/NAME/NAME-VERSION.crate`; 403 where there is none, as S3 has it."""
        parts = asked.parts
        package = (
            self._world.packages.get(("cargo", parts[1]))
            if len(parts) == 3 and parts[0] == "crates"
            else None
        )
        if package is None or parts[2] != f"{package.name}-{package.version}.crate":
            return as_text("<Error><Code>AccessDenied</Code></Error>", 403, "application/xml")
        return _archive(package, asked)

    def crates(self, asked: Asked) -> Answer:
        """The API, which asks for a User-Agent with a contact."""
        if "@" not in asked.agent and "http" not in asked.agent:
            return as_json({"errors": [{"detail": "We require a User-Agent"}]}, 403)
        return as_json({"errors": [{"detail": "Not Found"}]}, 404)


def changelog_link(package: SimPackage) -> str | None:
    """The changelog's link in the metadata, true or not; None where there is none."""
    if package.where == UNREACHABLE:
        return f"https://docs.example.com/{quote(package.name)}/changes.html"
    repo = package.repo
    if repo is None:
        return None
    page = f"https://{_PAGES[repo.host]}/{repo.old_path or repo.path}"
    where = {"github": "blob", "gitlab": "-/blob", "codeberg": "src/branch"}[repo.host]
    top = f"{package.folder}/" if package.folder else ""
    if package.where == LISTED:
        branch = "master" if "old-branch" in package.traps else repo.branch
        return f"{page}/{where}/{branch}/{top}{package.path}"
    if "dead-link" in package.traps:
        return f"{page}/{where}/{repo.branch}/{top}CHANGES-that-was.md"
    if "elsewhere" in package.traps:
        return f"https://{package.name.rpartition('/')[2]}.example.io/en/latest/changes.html"
    return None


def _archive(package: SimPackage | None, asked: Asked) -> Answer:
    if package is None:
        return as_text("not found", 404)
    return Answer(200, archive(package), {"content-type": "application/octet-stream"})


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _index_path(name: str) -> str:
    low = name.lower()
    if len(low) <= 3:
        return f"/{len(low)}/{low}" if len(low) < 3 else f"/3/{low[0]}/{low}"
    return f"/{low[:2]}/{low[2:4]}/{low}"
