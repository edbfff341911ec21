"""Building worlds: which package gets which repository, changelog and traps. By a seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from ventil.sim.hosts import texts
from ventil.sim.hosts.world import (
    ARCHIVE,
    DESCRIPTION,
    FILE,
    LISTED,
    NONE,
    RELEASES,
    UNREACHABLE,
    Repo,
    SimPackage,
    World,
)
from ventil.sim.npm.counts import sample

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
