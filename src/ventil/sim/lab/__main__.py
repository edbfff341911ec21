"""`python -m ventil.sim.lab`: tables, goals, random providers, pictures."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ventil.sim.lab import pictures, shared_goals, tables
from ventil.sim.lab.chance import RANGES
from ventil.sim.lab.clients import CLIENTS, COMPARED, SHARED, WARM, scenario, shared_by
from ventil.sim.lab.goals import SCENARIOS, Goal, check
from ventil.sim.lab.measure import Results, measure, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXAMPLES = """
examples:
  python -m ventil.sim.lab                                   every table, every client
  python -m ventil.sim.lab --goals --jobs 2                  G1 to G9, worst of 5 seeds
  python -m ventil.sim.lab --scenario S2,O1 --client ventil,aimd
  python -m ventil.sim.lab --random tuning --client ventil --details
  python -m ventil.sim.lab --workers 1,2,4,8 --jobs 2        workers who share one pacer
  python -m ventil.sim.lab --docs docs/lab --jobs 2          tables, goals and pictures
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Data on stdout, progress on stderr. 1 when a goal that was asked for is not met."""
    options = _parser().parse_args(argv)
    clients = _names(options.client, [*CLIENTS, WARM], "client")
    names = _names(options.scenario, SCENARIOS, "scenario")
    started = time.perf_counter()
    if options.workers:
        parts, document, goals = _shared(options, names)
    elif options.random:
        parts, document, goals = _chance(options, clients or ["ventil"])
    else:
        parts, document, goals = _named(options, names, clients)
    written = "\n\n".join(parts)
    print(written)
    if options.json:
        document["goals"] = [dataclasses.asdict(goal) for goal in goals]
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n")
    if options.docs:
        folder = Path(options.docs)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tables.md").write_text(f"{_PREFACE}\n{written}\n")
        for path in pictures.draw_all(folder):
            print(f"wrote {path}", file=sys.stderr)
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    missed = [goal for goal in goals if goal.met is False and goal.number[0] == "G"]
    return 1 if (options.goals or options.workers) and missed else 0


Findings = tuple[list[str], dict[str, Any], list[Goal]]
"""Text, document for JSON, goals that were judged."""


def _chance(options: argparse.Namespace, clients: list[str]) -> Findings:
    """The random providers of one range; the first client is judged."""
    numbers = RANGES[options.random]
    found = measure([(f"R{n}", c, n) for n in numbers for c in clients], options.jobs)
    parts = [f"## Random providers, {options.random}\n\n{tables.random_summary(found)}"]
    if options.details:
        parts.append(tables.random_details(found, lambda name: scenario(name).title))
    goals = []
    if options.goals:
        own = [r for (_, c), rs in found.items() if c == clients[0] for r in rs]
        goals = [goal for goal in check({}, clients[0], own) if goal.met is not None]
        parts.append(f"## Goals\n\n{tables.goal_lines(goals)}")
    return parts, {f"random {options.random}": plain(found)}, goals


def _shared(options: argparse.Namespace, names: list[str] | None) -> Findings:
    """Workers who share a pacer: the goals by count of workers, and the worst of each."""
    clients = [f"{SHARED}{int(count)}" for count in options.workers.split(",")]
    seeds = options.seeds or 5
    found = measure(
        [(n, c, s) for n in names or shared_goals.NAMES for c in clients for s in range(seeds)],
        options.jobs,
    )
    goals = [goal for c in clients for goal in shared_goals.check(found, c)]
    parts = [
        f"## Workers who share one pacer: worst of {seeds} seeds, cold start\n\n"
        f"{shared_goals.comparison(found)}",
        f"## Goals\n\n{tables.goal_lines(goals)}",
    ]
    return parts, {"shared": plain(found)}, goals


def _named(
    options: argparse.Namespace, names: list[str] | None, clients: list[str] | None
) -> Findings:
    """The scenarios of the table; ours is judged, or the first client that was asked for."""
    subject = clients[0] if clients else "ventil"
    if clients is None:
        only_goals = options.goals and not options.docs
        clients = ["ventil", "rule2019"] if only_goals else list(COMPARED)
    judged = options.goals or options.docs
    count = options.seeds or (5 if judged else 3)
    # The tables compare means of three seeds; goals ask for the worst of five of ours.
    few = min(count, 3) if judged else count
    seeds = {c: count if c in (subject, "rule2019") else few for c in clients}
    found = measure(
        [(n, c, s) for n in names or SCENARIOS for c in clients for s in range(seeds[c])],
        options.jobs,
    )
    document: dict[str, Any] = {"results": plain(found)}
    parts, goals = [], []
    if judged:
        own: Results = {}
        if names is None:
            own = measure([(f"R{n}", subject, n) for n in RANGES["tuning"]], options.jobs)
            document["random tuning"] = plain(own)
        goals = check(found, subject, [r for rs in own.values() for r in rs])
        title = f"## Goals: worst of {count} seeds, cold start; random: the tuning range"
        parts.append(f"{title}\n\n{tables.goal_lines(goals)}")
    if options.docs or not options.goals:
        rows = [[n, scenario(n).title, f"{scenario(n).n:,}"] for n in names or SCENARIOS]
        listing = tables.table(["", "provider", "records"], rows)
        alike = {cell: results[:few] for cell, results in found.items()}
        parts.append(f"## Mean of {few} seeds\n\n{listing}\n\n{tables.comparison(alike)}")
    return parts, document, goals


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
        "--client",
        metavar="ventil,...",
        help=f"of {', '.join([*CLIENTS, WARM])}, or {SHARED}4 for four who share a pacer",
    )
    parser.add_argument(
        "--seeds", type=int, help="experiments per cell (default 3, for goals and docs 5)"
    )
    parser.add_argument("--goals", action="store_true", help="goal / measured / met")
    parser.add_argument("--random", choices=sorted(RANGES), help="the random providers")
    parser.add_argument("--details", action="store_true", help="each random provider")
    parser.add_argument(
        "--workers", metavar="1,4,...", help="so many workers who share one pacer"
    )
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
        random = what == "scenario" and name[:1] == "R"
        shared = what == "client" and shared_by(name)
        if name not in known and not (random or shared):
            raise SystemExit(f"no {what} {name!r}; there are {', '.join(known)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
