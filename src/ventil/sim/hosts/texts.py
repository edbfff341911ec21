"""Made-up histories, and changelogs and releases that tell them."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ventil.sim.hosts.world import SimPackage

_VERBS = ("Add", "Fix", "Drop", "Hasten", "Rename", "Allow", "Refuse", "Document", "Restore")
_THINGS = (
    "the parser of dates",
    "a flag for quiet runs",
    "empty inputs",
    "support for old interpreters",
    "reading from pipes",
    "a leak of file handles",
    "the order of keys",
    "time-outs of slow hosts",
    "names with dots",
    "the cache after a crash",
    "colours in dumb terminals",
    "retries",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One version: what it is called, when it came, and what changed."""

    version: str
    date: dt.date
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """A release at a code host; `body` is "" for one without notes."""

    tag: str
    name: str
    body: str
    published: str
    prerelease: bool


def history(rng: random.Random, name: str, count: int) -> list[Entry]:
    """*count* versions of *name*, the oldest first."""
    major, minor, patch = rng.choice(((0, 1, 0), (0, 1, 0), (1, 0, 0)))
    day = dt.date(2026, 10, 1) - dt.timedelta(days=rng.randrange(20, 60) * count)
    entries = []
    for _ in range(count):
        changes = tuple(
            f"{rng.choice(_VERBS)} {rng.choice(_THINGS)}" for _ in range(rng.randrange(1, 6))
        )
        entries.append(Entry(f"{major}.{minor}.{patch}", day, changes))
        step = rng.random()
        if step < 0.1:
            major, minor, patch = major + 1, 0, 0
        elif step < 0.5:
            minor, patch = minor + 1, 0
        else:
            patch += 1
        day += dt.timedelta(days=rng.randrange(1, 20))
    return entries


def changelog(markup: str, name: str, entries: list[Entry], *, large: bool = False) -> bytes:
    """The changelog of *entries*, the newest first."""
    lines = ["# Changelog", ""] if markup == "md" else ["Changelog", "=========", ""]
    padding = "  " + "long-winded words about it " * 400 if large else ""
    for entry in reversed(entries):
        title = f"{entry.version} ({entry.date})"
        lines += [f"## {title}", ""] if markup == "md" else [title, "-" * len(title), ""]
        lines += [f"- {change}.{padding}" for change in entry.changes]
        lines.append("")
    text = "\n".join(lines)
    if large and len(text) < 1_200_000:
        text += "\n" + ("Older notes were lost. " * 60 + "\n") * 900
    return text.encode()


def release(entry: Entry, prefix: str, *, noted: bool) -> Release:
    """The release of *entry* at a code host."""
    body = "\n".join(f"* {change}" for change in entry.changes) if noted else ""
    return Release(
        tag=f"{prefix}{entry.version}",
        name=f"{prefix}{entry.version}",
        body=f"## What's Changed\n{body}" if noted else "",
        published=f"{entry.date}T12:00:00Z",
        prerelease=False,
    )


def pointer(package: SimPackage, path: str) -> bytes:
    """A changelog that only says where the changelog is."""
    if package.pointed is not None:
        return f"# Changelog\n\nIt has moved: see [here]({package.pointed}).\n".encode()
    repo = package.repo
    host = {"github": "github.com", "gitlab": "gitlab.com"}.get(
        repo.host if repo else "", "codeberg.org"
    )
    where = repo.path if repo else ""
    way = "-/releases" if host == "gitlab.com" else "releases"
    return f"# Changelog\n\nSee https://{host}/{where}/{way} for what changed.\n".encode()


def description(package: SimPackage, *, tells: bool) -> str:
    """A description as PyPI shows it, with a part about changes when it *tells*."""
    text = f"# {package.name}\n\nDoes a thing, and does it well. Needs 3.11 or newer.\n"
    text += "\n## Usage\n\nImport it.\n"
    if tells:
        told = changelog("md", package.name, package.history[-8:]).decode()
        text += "\n" + told.replace("## ", "### ").replace("# Changelog", "## Changelog", 1)
    return text + "\n## License\n\nMIT\n"
