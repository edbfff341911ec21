"""`python -m ventil.sim.lab`: tables, goals, random providers, pictures."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ventil.sim.lab import pictures, tables
from ventil.sim.lab.chance import RANGES
from ventil.sim.lab.clients import CLIENTS, COMPARED, WARM, scenario
from ventil.sim.lab.goals import SCENARIOS, check
from ventil.sim.lab.measure import measure, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXAMPLES = """
examples:
  python -m ventil.sim.lab                                   every table, every client
  python -m ventil.sim.lab --goals --jobs 2                  G1 to G9, worst of 5 seeds
  python -m ventil.sim.lab --scenario S2,O1 --client ventil,aimd
  python -m ventil.sim.lab --random tuning --client ventil --details
  python -m ventil.sim.lab --docs docs/lab --jobs 2          tables, goals and pictures
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Data on stdout, progress on stderr. 1 when a goal that was asked for is not met."""
    options = _parser().parse_args(argv)
    clients = _names(options.client, [*CLIENTS, WARM], "client")
    if clients is None:
        clients = ["ventil", "rule2019"] if options.goals and not options.docs else None
    clients = clients or list(COMPARED)
    subject = clients[0] if options.client else "ventil"
    started = time.perf_counter()
    document: dict[str, Any] = {}
    text: list[str] = []
    status = 0

    if options.random:
        numbers = RANGES[options.random]
        chosen = clients if options.client else ["ventil"]
        found = measure([(f"R{n}", c, n) for n in numbers for c in chosen], options.jobs)
        text.append(f"## Random providers, {options.random}\n\n{tables.random_summary(found)}")
        if options.details:
            text.append(tables.random_details(found, lambda name: scenario(name).title))
        document[f"random {options.random}"] = plain(found)
        if options.goals:
            chance = [r for (_, c), rs in found.items() if c == chosen[0] for r in rs]
            goals = [g for g in check({}, chosen[0], chance) if g.met is not None]
            text.append(f"## Goals\n\n{tables.goal_lines(goals)}")
            document["goals"] = [dataclasses.asdict(goal) for goal in goals]
            status = int(any(goal.met is False for goal in goals if goal.number[0] == "G"))
    else:
        names = _names(options.scenario, SCENARIOS, "scenario") or list(SCENARIOS)
        seeds = range(options.seeds)
        found = measure(
            [(n, c, s) for n in names for c in clients for s in seeds], options.jobs
        )
        document["results"] = plain(found)
        if options.goals or options.docs:
            chance = []
            if not options.scenario:
                own = measure([(f"R{n}", subject, n) for n in RANGES["tuning"]], options.jobs)
                chance = [r for rs in own.values() for r in rs]
                document["random tuning"] = plain(own)
            goals = check(found, subject, chance)
            text.append(
                f"## Goals: worst of {options.seeds} seeds, cold start\n\n"
                f"{tables.goal_lines(goals)}"
            )
            document["goals"] = [dataclasses.asdict(goal) for goal in goals]
            status = int(any(goal.met is False for goal in goals if goal.number[0] == "G"))
        if not options.goals or options.docs:
            text.append(f"## Mean of {options.seeds} seeds\n\n{tables.comparison(found)}")

    written = "\n\n".join(text)
    print(written)
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n")
    if options.docs:
        status = 0
        folder = Path(options.docs)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tables.md").write_text(f"{_PREFACE}\n{written}\n")
        for path in pictures.draw_all(folder):
            print(f"wrote {path}", file=sys.stderr)
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    return status


_PREFACE = """# The lab's tables

Written by `python -m ventil.sim.lab --docs docs/lab`; all times are virtual, all chances
seeded, so the numbers repeat. A model is not the field: first in, first out queues, no other
tenants, refusals cost the provider nothing. ">": given up at 20 times the oracle in at least
one seed, and extrapolated. Read the first three tables together: waste alone flatters slow
clients, makespan alone flatters harmful ones.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ventil.sim.lab",
        description="Clients against providers in virtual time, beside a clairvoyant oracle.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scenario", metavar="S2,...", help="only these (default: all)")
    parser.add_argument(
        "--client", metavar="ventil,...", help=f"of {', '.join([*CLIENTS, WARM])}"
    )
    parser.add_argument("--seeds", type=int, default=5, help="experiments per cell (default 5)")
    parser.add_argument("--goals", action="store_true", help="goal / measured / met")
    parser.add_argument("--random", choices=sorted(RANGES), help="the random providers")
    parser.add_argument("--details", action="store_true", help="each random provider")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--json", metavar="FILE", help="every single result, and the goals")
    parser.add_argument("--docs", metavar="DIR", help="write tables.md and the pictures")
    return parser


def _names(
    given: str | None, known: Sequence[str] | dict[str, Any], what: str
) -> list[str] | None:
    if given is None:
        return None
    names = given.split(",")
    for name in names:
        if name not in known and not (what == "scenario" and name[:1] == "R"):
            raise SystemExit(f"no {what} {name!r}; there are {', '.join(known)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
