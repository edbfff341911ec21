"""Catalogues to measure with: made from a seed, or real names where they are at hand.

With the environment variable VENTIL_SHARED_DATA naming a folder, `npm-downloads.tsv.gz`
in it (name, tab, downloads; a header line) gives real names for the catalogues of a given
size, and `construct-hub-stats.json` the 593 packages of a Construct Hub. Without it names
are synthetic, with lengths and a share of scoped names like those of the registry's.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

from bench.processes import ROOT

SCOPED = 0.495
"""Share of scoped names: 112,391 of 226,974 popular names of autumn 2026."""

_PARTS = (
    *("api", "async", "auth", "babel", "build", "cache", "cli", "client", "config", "core"),
    *("css", "data", "date", "dom", "eslint", "event", "fetch", "file", "form", "graph"),
    *("html", "http", "icons", "json", "kit", "loader", "log", "map", "markdown", "node"),
    *("object", "parser", "path", "plugin", "proxy", "query", "react", "router", "schema"),
    *("server", "state", "stream", "string", "style", "task", "test", "theme", "token"),
    *("tree", "type", "ui", "util", "vue", "webpack", "worker", "yaml"),
)

Package = tuple[str, int]


def shared(name: str) -> Path | None:
    """A file of the shared data; None when it is not at hand."""
    folder = os.environ.get("VENTIL_SHARED_DATA")
    path = Path(folder) / name if folder else None
    return path if path is not None and path.is_file() else None


def synthetic(count: int, *, scoped: float = SCOPED, seed: int = 1) -> Iterator[Package]:
    """*count* different names with a weekly count each; equal for equal arguments."""
    random = Random(seed)
    for number in range(count):
        words = "-".join(random.choices(_PARTS, k=random.choice((1, 2, 2, 3))))
        name = f"{words}-{number:x}"
        if random.random() < scoped:
            name = f"@{random.choice(_PARTS)}-{random.randrange(400)}/{name}"
        yield name, int(random.lognormvariate(6.0, 2.5)) + 1


def popular(count: int) -> tuple[Iterator[Package], str]:
    """*count* packages, and where they are from: real ones as far as there are any.

    The real table is sorted by name; every n-th line is taken, so that each size has the
    same mix of names.
    """
    path = shared("npm-downloads.tsv.gz")
    if path is None:
        return synthetic(count), "synthetic names, seed 1"
    return _real(path, count), "real names of npm, autumn 2026"


def _real(path: Path, count: int) -> Iterator[Package]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        total = sum(1 for _ in file) - 1
    taken = 0
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(islice(file, 1, None), 1):
            if taken < count * number // total:
                taken += 1
                name, _, downloads = line.partition("\t")
                yield name, int(downloads)


def hub() -> tuple[list[Package], str]:
    """The packages of a Construct Hub, and where they are from."""
    path = shared("construct-hub-stats.json")
    if path is not None:
        packages = json.loads(path.read_text("utf-8"))["packages"]
        listed = [(name, entry["downloads"]["npm"]) for name, entry in packages.items()]
        return listed, "the packages of a Construct Hub's stats.json of 2021-10-18"
    sample = json.loads((ROOT / "src/ventil/sim/data/counts.json").read_text("utf-8"))
    return list(sample["counts"].items()), "the shipped sample"


def write(packages: Iterable[Package], folder: Path) -> tuple[Path, Path, int]:
    """Write the catalogue (names, one a line) and the counts; both paths and the sum.

    One line at a time: the measuring process stays small.
    """
    catalogue, counts = folder / "catalogue.txt", folder / "counts.tsv"
    total = 0
    with catalogue.open("w") as names, counts.open("w") as table:
        table.write("name\tdownloads_a_week\n")
        for name, count in packages:
            names.write(f"{name}\n")
            table.write(f"{name}\t{count}\n")
            total += count
    return catalogue, counts, total
