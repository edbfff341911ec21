"""All measurements, one after another: `python -m bench [--quick]` (`make bench`)."""

from __future__ import annotations

import subprocess
import sys

from bench.processes import ROOT

ALL = (
    "startup",
    "cost",
    "parts",
    "compare",
    "scale",
    "finder",
    "changelog_job",
    "npm_as_it_is",
    "http_lab",
    "shared_pace",
    "fairness",
    "worker_scale",
    "chaos",
)


def main(arguments: list[str]) -> int:
    """Each in a process of its own, so that none is larger than what it measures."""
    worst = 0
    for name in ALL:
        print(f"\n== bench.{name}", flush=True)
        command = (sys.executable, "-m", f"bench.{name}", *arguments)
        worst = max(worst, subprocess.run(command, cwd=ROOT, check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
