"""Derive the simulator's shipped sample from a Construct Hub's published files.

    python scripts/sim_sample.py CATALOG.json STATS.json [OUT_DIR]

Writes `counts.json` (real names with real weekly npm downloads: every unscoped name, the
catalogue's names, and an even selection of the scoped ones) and `catalog.json` (real names
and versions in the shape of a Construct Hub's catalogue, several majors of one name
included) into OUT_DIR, by default the package's own data folder. The same input gives the
same bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "src" / "ventil" / "sim" / "data"
SCOPED_COUNTS = 200
SCOPED_PACKAGES = 48
ENTRY_KEYS = ("name", "version", "major", "languages", "metadata", "license")


def evenly(items: list[Any], wanted: int) -> list[Any]:
    """*wanted* of *items*, spread evenly, in order; all of them when there are fewer."""
    if len(items) <= wanted:
        return items
    return [items[i * len(items) // wanted] for i in range(wanted)]


def catalogue(hub: dict[str, Any]) -> dict[str, Any]:
    """All unscoped packages of *hub* and an even selection of its scoped ones."""
    scoped = [p for p in hub["packages"] if p["name"].startswith("@")]
    kept = {id(p) for p in evenly(scoped, SCOPED_PACKAGES)}
    packages = [
        {key: p[key] for key in ENTRY_KEYS if key in p}
        for p in hub["packages"]
        if id(p) in kept or not p["name"].startswith("@")
    ]
    return {"updated": hub["updated"], "packages": packages}


def counts(stats: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Weekly downloads: unscoped names, *names*, and an even selection of the rest."""
    weekly = {name: entry["downloads"]["npm"] for name, entry in stats["packages"].items()}
    kept = {name for name in weekly if name in names or not name.startswith("@")}
    rest = sorted(set(weekly) - kept, key=lambda name: (weekly[name], name))
    kept.update(evenly(rest, SCOPED_COUNTS))
    return {
        "about": "npm downloads of one week, as a Construct Hub published them",
        "updated": stats["updated"],
        "counts_are": "last-week",
        "counts": {name: weekly[name] for name in sorted(kept)},
    }


def main(arguments: list[str]) -> int:
    """Read the two files, write the two files, say what was written."""
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    hub, stats = (json.loads(Path(path).read_text("utf-8")) for path in arguments[:2])
    out = Path(arguments[2]) if len(arguments) == 3 else DATA
    packages = catalogue(hub)
    numbers = counts(stats, {p["name"] for p in packages["packages"]})
    # An entry a line: small, and a change shows in a diff.
    for name, value, key in (
        ("catalog.json", packages, "packages"),
        ("counts.json", numbers, "counts"),
    ):
        text = _one_a_line(value, key)
        (out / name).write_text(text, "utf-8")
        print(f"{out / name}: {len(value[key])} entries, {len(text)} bytes")
    return 0


def _one_a_line(value: dict[str, Any], key: str) -> str:
    def dense(item: Any) -> str:
        return json.dumps(item, ensure_ascii=False, separators=(",", ":"))

    head = "".join(f"{dense(k)}:{dense(v)},\n" for k, v in value.items() if k != key)
    items = value[key]
    if isinstance(items, dict):
        lines = ",\n".join(f"{dense(k)}:{dense(v)}" for k, v in items.items())
        return f"{{{head}{dense(key)}:{{\n{lines}\n}}}}\n"
    lines = ",\n".join(dense(item) for item in items)
    return f"{{{head}{dense(key)}:[\n{lines}\n]}}\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
