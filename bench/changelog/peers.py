"""Other changelog parsers, run by a Python of their own (see bench.changelog.score --peers).

    PEERS/bin/python bench/changelog/peers.py NAME < paths > results

Reads one path a line; writes one line of JSON for each: [[version, date or null, body], ...],
or null when the parser failed. Imports nothing of this project.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

Rows = list[tuple[str, "str | None", str]]


def _text(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "replace")


def changelogs(path: str) -> Rows:
    """pyup's `changelogs`, told the versions that the registry knows, as it is made for."""
    from changelogs.parser import get_head, parse

    with open(path + ".versions.json", encoding="utf-8") as file:
        known = set(json.load(file))
    name = re.split(r"__", path.split("/")[-1])[1]
    found = parse(name, _text(path), known, get_head)
    return [(version, None, body) for version, body in found.items()]


def keepachangelog(path: str) -> Rows:
    """`keepachangelog`, for Markdown of that convention."""
    import keepachangelog as library

    raw = library.to_raw_dict(path)
    dates = library.to_dict(path)
    return [
        (version, (dates.get(version) or {}).get("metadata", {}).get("release_date"), e["raw"])
        for version, e in raw.items()
    ]


def chag(path: str) -> Rows:
    """`chag`, for underlined or bordered entries."""
    from chag.changelog import Changelog

    entries = getattr(Changelog(_text(path)), "entries", [])
    rows = []
    for entry in entries:
        version = getattr(entry, "version", None)
        if version:
            rows.append((str(version), getattr(entry, "date", None), str(entry.contents)))
    return rows


def dephell(path: str) -> Rows:
    """`dephell-changelogs`."""
    from dephell_changelogs import parse_changelog

    found = parse_changelog(_text(path))
    return [(v, None, body) for v, body in found.items() if v != "unknown"]


PEERS: dict[str, Callable[[str], Rows]] = {
    "changelogs": changelogs,
    "keepachangelog": keepachangelog,
    "chag": chag,
    "dephell-changelogs": dephell,
}


def _late(*_: Any) -> None:
    raise TimeoutError


def main() -> None:
    """Parse each path with the parser named."""
    peer = PEERS[sys.argv[1]]
    signal.signal(signal.SIGALRM, _late)
    for line in sys.stdin:
        signal.alarm(20)
        try:
            rows: Rows | None = peer(line.strip())
        except (Exception, SystemExit):
            rows = None
        signal.alarm(0)
        print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main()
