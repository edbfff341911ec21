"""Write docs/reference/commands.md from the commands themselves.

`make docs` runs this; with --check it only says whether the page is current (exit 1 when
it is not).
"""

from __future__ import annotations

import sys
from pathlib import Path

from generated import write_or_check

from ventil.cli.main import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "commands.md"

HEAD = """\
<!-- Made by scripts/cli_reference.py (make docs); change the commands in src/ventil/cli
instead. -->

"""

TAIL = """
## Exit codes

| code | meaning |
|---|---|
| 0 | done, failures within the tolerance |
| 1 | it failed: the state cannot be stored, the artefact cannot be written, cancelled |
| 2 | usage or configuration: a flag, a setting, the catalogue, the output's place |
| 3 | finished, but more records lack an answer than `--tolerate` allows; the artefact is published all the same, with carried values |
| 75 | suspended: the provider says later than `--max-wait`, or another process works in the same state folder; the same command resumes |
| 130, 143 | interrupted by SIGINT or SIGTERM after a clean checkpoint; the same command resumes |
"""  # noqa: E501 - a table row is one line


def page() -> str:
    """The whole page."""
    return HEAD + app.generate_docs().rstrip() + "\n" + TAIL


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page()))
