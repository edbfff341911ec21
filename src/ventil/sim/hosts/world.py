"""The packages and repositories that the simulated hosts know, and the truth about each.

Everything follows from a seed and the packages' names: the same world every time, however
it is asked. A world holds what is awkward in the real one, each *trap* in a share that can
be set: repositories renamed, deleted, empty, huge, shared by many packages; changelogs in
odd places and under odd names, one that only points elsewhere, one that stopped years ago;
vendored changelogs of others; links that are dead; packages that became other packages.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from ventil.sim.hosts import texts

ECOSYSTEMS = ("npm", "pypi", "gem", "cargo")

FILE, LISTED, RELEASES, ARCHIVE, DESCRIPTION, NONE, UNREACHABLE = (
    "file",  # in the repository
    "linked",  # in the repository, and the metadata names it
    "releases",  # the host's releases only
    "archive",  # in the published archive only
    "description",  # a part of the description only
    "none",
    "unreachable",  # there is one, on a page that no simulated host serves
)


@dataclass(eq=False)
class Repo:
    """A repository at a code host.

    `path` is its name now; `old_path` the one that answers with a redirect, None for none.
    `exists` is False for a deleted one; `empty` has no commit. `packages` live in it.
    """

    host: str
    path: str
    number: int
    old_path: str | None = None
    exists: bool = True
    empty: bool = False
    huge: bool = False
    branch: str = "main"
    packages: list[SimPackage] = field(default_factory=list)

    def files(self) -> dict[str, bytes | None]:
        """Every path with its content; None for fillers that nobody should want."""
        files: dict[str, bytes | None] = dict.fromkeys(("README.md", "LICENSE", ".gitignore"))
        for package in self.packages:
            files.update(package.files_in_repository())
        if self.huge:
            for number in range(2500):
                files[f"assets/{number // 100:02d}/icon-{number:05d}.svg"] = None
        return files

    def releases(self) -> list[texts.Release]:
        """The host's releases, the newest first."""
        found = [release for package in self.packages for release in package.host_releases()]
        return sorted(found, key=lambda release: release.published, reverse=True)


@dataclass(eq=False)
class SimPackage:
    """A package with all its history; `current` versions of it are out.

    `where` is the truth: where its changelog is. `path` is the file's path in the
    repository, or in the archive when it is only there.
    """

    ecosystem: str
    name: str
    all_history: list[texts.Entry]
    current: int
    where: str
    traps: frozenset[str]
    repo: Repo | None = None
    folder: str = ""
    tells_folder: bool = True
    path: str = ""
    ships: bool = False  # the archive holds it too
    successor: str | None = None
    seed: int = 0

    @property
    def purl(self) -> str:
        """The package URL without a version."""
        return f"pkg:{self.ecosystem}/{self.name.replace('@', '%40')}"

    @property
    def history(self) -> list[texts.Entry]:
        """What is out, the oldest first."""
        return self.all_history[: self.current]

    @property
    def version(self) -> str:
        """The latest version."""
        return self.history[-1].version

    @property
    def has_changelog(self) -> bool:
        """Whether there is one that a client of these hosts can find."""
        return self.where not in (NONE, UNREACHABLE)

    @property
    def markup(self) -> str:
        """What the changelog is written in."""
        return "rst" if self.path.endswith(".rst") else "md"

    def text(self) -> bytes:
        """The changelog's text as it is now."""
        history = self.history
        if "stale" in self.traps:
            history = history[: max(1, len(history) // 2)]
        large = "large" in self.traps
        return texts.changelog(self.markup, self.name, history, large=large)

    def files_in_repository(self) -> dict[str, bytes | None]:
        """The package's part of its repository."""
        top = f"{self.folder}/" if self.folder else ""
        rng = random.Random(f"files:{self.seed}:{self.purl}")  # noqa: S311
        files: dict[str, bytes | None] = {
            f"{top}{name}": None
            for name in ("package.json", "src/index.js", "src/news.js", "test/test_all.py")
        }
        for number in range(rng.randrange(5, 60)):
            files[f"{top}src/part-{number:03d}.js"] = None
        if "vendored" in self.traps:
            other = texts.changelog("md", "zlib", texts.history(rng, "vendored", 5))
            for folder in ("node_modules/left-pad", "vendor/zlib", "examples/demo"):
                files[f"{top}{folder}/CHANGELOG.md"] = other
        if "process" in self.traps:
            files[f"{top}RELEASE.md"] = b"# How to release\n\n1. Bump.\n2. Tag.\n3. Push.\n"
        if self.where in (FILE, LISTED) and self.path:
            path = top + self.path
            if "points" in self.traps:
                files[path] = texts.pointer(self, path)
                if (target := self.pointed) is not None:
                    files[top + target] = self.text()
            elif "symlink" in self.traps and self.folder:
                target = f"history/{self.folder.rpartition('/')[2]}.md"
                files[path] = ("../" * (path.count("/")) + target).encode()
                files[target] = self.text()
            else:
                files[path] = self.text()
        return files

    @property
    def pointed(self) -> str | None:
        """Where a changelog that points elsewhere points to; None: the host's releases."""
        return "docs/changes.md" if self.seed_bit(2) else None

    def seed_bit(self, number: int) -> bool:
        """A coin that falls the same way every time."""
        return random.Random(f"bit{number}:{self.seed}:{self.purl}").random() < 0.5  # noqa: S311

    def host_releases(self) -> list[texts.Release]:
        """This package's releases at its code host."""
        points_there = "points" in self.traps and self.pointed is None
        noted = self.where == RELEASES or "stale" in self.traps or points_there
        if not noted and "wordless" not in self.traps:
            return []
        bare = self.name.rpartition("/")[2]
        prefix = ""
        if self.folder:
            prefix = f"{self.name}@" if self.seed_bit(3) else f"{bare}-v"
        elif self.seed_bit(4):
            prefix = "v"
        return [texts.release(entry, prefix, noted=noted) for entry in self.history]


class World:
    """All packages, by package URL, and all repositories, by host and path."""

    def __init__(self, packages: Sequence[SimPackage], repos: Sequence[Repo]) -> None:
        self.packages = {(p.ecosystem, p.name): p for p in packages}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.by_number: dict[tuple[str, int], Repo] = {}
        for repo in repos:
            self.repos[repo.host, repo.path.lower()] = repo
            self.by_number[repo.host, repo.number] = repo
            if repo.old_path is not None:
                self.repos[repo.host, repo.old_path.lower()] = repo

    def __len__(self) -> int:
        return len(self.packages)

    @property
    def purls(self) -> list[str]:
        """The package URLs of all packages, in the order of their making."""
        return [package.purl for package in self.packages.values()]

    def release(self, share: float, seed: int = 0) -> list[str]:
        """Publish the next version of a share of the packages; their package URLs."""
        rng = random.Random(f"release:{seed}")  # noqa: S311
        grown = []
        for package in self.packages.values():
            if rng.random() < share and package.current < len(package.all_history):
                package.current += 1
                grown.append(package.purl)
        return grown
