"""How soon Ventil is there: `ventil --help`, and `ventil plan` of a hub's catalogue.

    python -m bench.startup [--quick]

Whole processes from start to exit, turn by turn with an interpreter that does nothing
(`python -c pass`), medians. The plan is made beside an empty state folder.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import catalogues
from bench.processes import VENTIL, measured
from bench.results import digits, goal, median, run, table

MOST_HELP_S = 0.3
MOST_PLAN_S = 1.0


def measure(quick: bool) -> dict[str, Any]:
    """Take turns, print, and compare with the goals."""
    turns = 2 if quick else 10
    packages, source = catalogues.hub()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        catalogue = folder / "names.json"
        catalogue.write_text(json.dumps([name for name, _ in packages]))
        commands = {
            "python -c pass": (sys.executable, "-c", "pass"),
            "ventil --help": (*VENTIL, "--help"),
            f"ventil plan ({len(packages)} names)": (*VENTIL, "plan", str(catalogue)),
        }
        for command in commands.values():  # not counted: fills the caches of files
            measured(command, folder)
        costs = [
            {name: measured(command, folder) for name, command in commands.items()}
            for _ in range(turns)
        ]
    found = {
        name: {
            "elapsed_s": median(turn[name].elapsed_s for turn in costs),
            "least_s": digits(min(turn[name].elapsed_s for turn in costs)),
            "most_s": digits(max(turn[name].elapsed_s for turn in costs)),
            "cpu_s": median(turn[name].cpu_s for turn in costs),
        }
        for name in commands
    }
    table(
        f"Start-up, {turns} turns, seconds",
        ("", "median", "least", "most", "CPU"),
        [(n, f["elapsed_s"], f["least_s"], f["most_s"], f["cpu_s"]) for n, f in found.items()],
    )
    print(f"catalogue: {source}\n")
    _, help_, plan = found.values()
    return {
        "turns": turns,
        "catalogue": source,
        "names": len(packages),
        "goals": [
            goal("ventil --help, seconds", help_["elapsed_s"], MOST_HELP_S),
            goal(f"ventil plan of {len(packages)} names", plan["elapsed_s"], MOST_PLAN_S),
        ],
        "commands": found,
    }


if __name__ == "__main__":
    run("startup", "How soon Ventil is there.", measure)
