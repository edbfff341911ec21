"""Files that a script makes of the code: written, or compared with what stands (`--check`)."""

from __future__ import annotations

import sys
from pathlib import Path


def write_or_check(file: Path, text: str) -> int:
    """Write *text*; with `--check` on the command line only compare. Returns the exit code."""
    if "--check" not in sys.argv[1:]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return 0
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return 0
    print(f"{file.name} is out of date: make docs", file=sys.stderr)
    return 1
