"""The packages and repositories that the simulated hosts know, and the truth about each.

Everything follows from a seed and the packages' names: the same world every time, however
it is asked. A world holds what is awkward in the real one, each *trap* in a share that can
be set: repositories renamed, deleted, empty, huge, shared by many packages; changelogs in
odd places and under odd names, one that only points elsewhere, one that stopped years ago;
vendored changelogs of others; links that are dead; packages that became other packages.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ventil.sim.hosts import texts
from ventil.sim.npm.counts import sample

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

SHARES: dict[str, dict[str, float]] = {
    "npm": {FILE: 0.55, RELEASES: 0.16, ARCHIVE: 0.03, NONE: 0.24, UNREACHABLE: 0.02},
    "pypi": {
        FILE: 0.32,
        LISTED: 0.2,
        RELEASES: 0.1,
        ARCHIVE: 0.05,
        DESCRIPTION: 0.06,
        NONE: 0.24,
        UNREACHABLE: 0.03,
    },
    "gem": {FILE: 0.3, LISTED: 0.4, RELEASES: 0.08, NONE: 0.2, UNREACHABLE: 0.02},
    "cargo": {FILE: 0.6, RELEASES: 0.12, NONE: 0.28},
}
"""Where the changelogs are. Not measured in the wild: shares that leave no place out."""

TRAPS: dict[str, float] = {
    "renamed": 0.06,  # the metadata has the old name; the host redirects
    "deleted": 0.02,  # 404; only where there is no changelog to be found in it
    "empty": 0.01,  # a repository without a commit: 409; likewise
    "monorepo": 0.16,  # one of several packages in it, its folder in the metadata or not
    "huge": 0.03,  # so large that the listing of the tree is cut off
    "vendored": 0.12,  # changelogs of others in node_modules, vendor, examples, tests
    "points": 0.05,  # CHANGELOG.md says only where the changelog is
    "symlink": 0.02,  # a link to the root's file
    "stale": 0.02,  # the file ends years ago, the releases go on
    "large": 0.01,  # over a megabyte
    "dead-link": 0.03,  # the metadata's changelog link leads to a 404
    "elsewhere": 0.06,  # the metadata's changelog link leads to a site of documents
    "old-branch": 0.05,  # the link names a branch that was renamed to main
    "gitlab": 0.05,
    "codeberg": 0.03,
    "unknown-host": 0.02,  # a repository where we have no manners to go by
    "no-repository": 0.04,
    "deprecated": 0.01,  # npm: "renamed to ..."
    "wordless": 0.05,  # releases without notes, beside or instead of a changelog
    "process": 0.04,  # RELEASE.md tells how to make a release
    "bomb": 0.0,  # the archive unpacks to gigabytes
}

_FILE_NAMES = (
    ("CHANGELOG.md", 60),
    ("CHANGES.md", 8),
    ("HISTORY.md", 7),
    ("CHANGELOG.rst", 6),
    ("CHANGES.rst", 6),
    ("Changelog.md", 3),
    ("changelog.md", 3),
    ("CHANGES", 3),
    ("NEWS.md", 2),
    ("CHANGELOG", 2),
    ("HISTORY.rst", 2),
    ("NEWS", 1),
    ("RELEASES.md", 1),
    ("docs/changelog.md", 4),
    ("docs/changelog.rst", 3),
    ("docs/release-notes.md", 1),
)
_OWNERS = ("alder", "birch", "cedar", "elm", "hazel", "larch", "maple", "pine", "rowan", "yew")
_FIRST = ("quick", "tiny", "open", "fast", "deep", "plain", "solid", "cold", "warm", "bright")
_SECOND = ("token", "parser", "stream", "cache", "queue", "frame", "graph", "matrix", "socket")
_THIRD = (
    "buffer",
    "schema",
    "router",
    "logger",
    "kernel",
    "packet",
    "ledger",
    "beacon",
    "vector",
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


def names(count: int, ecosystem: str, seed: int = 0) -> list[str]:
    """Names for packages: npm's from the shipped sample, the others' made up."""
    if ecosystem == "npm":
        known = list(sample().by_name)
        random.Random(f"names:{seed}").shuffle(known)  # noqa: S311
        found = known[:count]
    else:
        found = []
    rng = random.Random(f"names:{ecosystem}:{seed}")  # noqa: S311
    taken = set(found)
    while len(found) < count:
        parts = [rng.choice(words) for words in (_FIRST, _SECOND, _THIRD)]
        name = "-".join(parts[: rng.choice((2, 3, 3))])
        if rng.random() < 0.3:
            name += f"{rng.randrange(2, 999)}"
        if name not in taken:
            taken.add(name)
            found.append(name)
    return found


def build(
    count: int = 200,
    seed: int = 0,
    *,
    packages: Iterable[tuple[str, str]] | None = None,
    traps: dict[str, float] | None = None,
) -> World:
    """A world of *count* packages over four ecosystems, or of these (ecosystem, name)."""
    if packages is None:
        split = {"npm": 0.4, "pypi": 0.3, "gem": 0.15, "cargo": 0.15}
        counts = {kind: round(count * share) for kind, share in split.items()}
        counts["npm"] += count - sum(counts.values())
        wanted = [(kind, name) for kind, n in counts.items() for name in names(n, kind, seed)]
    else:
        wanted = list(dict.fromkeys(packages))
    return _Builder(seed, {**TRAPS, **(traps or {})}).build(wanted)


class _Builder:
    def __init__(self, seed: int, traps: dict[str, float]) -> None:
        self._seed = seed
        self._traps = traps
        self._repos: list[Repo] = []
        self._open: Repo | None = None  # a monorepo that still takes packages

    def build(self, wanted: list[tuple[str, str]]) -> World:
        packages = [self._package(ecosystem, name) for ecosystem, name in wanted]
        for package in packages:
            if package.successor == "":
                package.successor = self._successor(package, packages)
        return World(packages, self._repos)

    def _successor(self, package: SimPackage, packages: list[SimPackage]) -> str | None:
        for other in packages:
            if (
                other is not package
                and other.ecosystem == package.ecosystem
                and other.where == FILE
                and other.successor is None
            ):
                return other.name
        return None

    def _package(self, ecosystem: str, name: str) -> SimPackage:
        rng = random.Random(f"package:{self._seed}:{ecosystem}:{name}")  # noqa: S311
        where = _pick(rng, list(SHARES[ecosystem].items()))
        traps = {trap for trap, share in self._traps.items() if rng.random() < share}
        entries = texts.history(rng, name, rng.randrange(4, 40))
        package = SimPackage(
            ecosystem,
            name,
            entries,
            current=max(1, len(entries) - 3),
            where=where,
            traps=frozenset(),
            seed=self._seed,
        )
        if where in (FILE, LISTED):
            package.path = _pick(rng, list(_FILE_NAMES))
        elif where == ARCHIVE:
            package.path = "CHANGELOG.md" if ecosystem == "npm" else "CHANGES.rst"
        self._settle(package, traps, rng)
        package.traps = frozenset(traps)
        package.ships = _ships(package, traps, rng)
        return package

    def _settle(self, package: SimPackage, traps: set[str], rng: random.Random) -> None:
        """Give the package a repository, and drop the traps that cannot be together."""
        inside = package.where in (FILE, LISTED, RELEASES)
        if inside:
            traps -= {"deleted", "empty", "no-repository", "unknown-host"}
        if package.where not in (FILE, LISTED):
            traps -= {"points", "symlink", "stale", "large"}
        if package.where != NONE or package.ecosystem != "npm":
            traps.discard("deprecated")
        if "deprecated" in traps:
            package.successor = ""
        if traps & {"points", "stale"}:
            traps -= {"wordless", "symlink"}
        if "stale" in traps:
            traps -= {"points", "large"}
        if package.where in (RELEASES, LISTED):
            traps -= {"wordless", "dead-link"}
        if "points" in traps:
            traps.discard("large")
        if "no-repository" in traps or "unknown-host" in traps:
            traps -= {"monorepo", "renamed", "huge", "gitlab", "codeberg", "vendored"}
            return
        host = (
            "gitlab" if "gitlab" in traps else "codeberg" if "codeberg" in traps else "github"
        )
        if host != "github":
            traps -= {
                "monorepo",
                "huge",
                "renamed",
                "large",
                "codeberg" if host == "gitlab" else "gitlab",
            }
        if "monorepo" in traps:
            traps -= {"renamed", "deleted", "empty", "huge", "points", "stale"}
            package.repo = self._monorepo(rng)
            bare = package.name.rpartition("/")[2]
            package.folder = f"packages/{bare}"
            package.tells_folder = rng.random() < 0.8
            if package.where == RELEASES:
                traps.discard("wordless")
            if package.path.startswith("docs/"):
                package.path = "CHANGELOG.md"
        else:
            traps.discard("symlink")
            package.repo = self._repo(host, package.name, traps, rng)
        package.repo.packages.append(package)

    def _repo(self, host: str, name: str, traps: set[str], rng: random.Random) -> Repo:
        number = 1000 + len(self._repos)
        owner = f"{rng.choice(_OWNERS)}{number}"
        bare = name.rpartition("/")[2]
        repo = Repo(
            host,
            f"{owner}/{bare}",
            number,
            old_path=f"{owner}/old-{bare}" if "renamed" in traps else None,
            exists="deleted" not in traps,
            empty="empty" in traps,
            huge="huge" in traps,
        )
        self._repos.append(repo)
        return repo

    def _monorepo(self, rng: random.Random) -> Repo:
        if self._open is None or len(self._open.packages) >= 6:
            number = 1000 + len(self._repos)
            self._open = Repo("github", f"{rng.choice(_OWNERS)}{number}/mono", number)
            self._repos.append(self._open)
        return self._open


def _ships(package: SimPackage, traps: set[str], rng: random.Random) -> bool:
    """Whether the published archive holds the changelog."""
    if package.where == ARCHIVE:
        return True
    if package.where not in (FILE, LISTED) or traps & {"points", "symlink", "stale"}:
        return False
    share = {"npm": 0.08, "pypi": 0.55, "gem": 0.8, "cargo": 0.7}[package.ecosystem]
    return rng.random() < share


def _pick(rng: random.Random, weighted: Sequence[tuple[str, float]]) -> str:
    return rng.choices([name for name, _ in weighted], [weight for _, weight in weighted])[0]
