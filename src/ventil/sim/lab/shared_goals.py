"""The goals of workers who share one pacer: together they are as good as one client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ventil.sim.lab.goals import Goal
from ventil.sim.lab.tables import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from ventil.sim.lab.measure import Results
    from ventil.sim.lab.race import Result

NAMES = ("S1", "S2", "Q2", "V1", "O1")
RATIO = 1.10
"""The most that the makespan may be, in oracle's makespans."""
OUTAGE_SENT = 30
"""The most requests of all workers together into a five-minute outage."""


def check(results: Results, client: str) -> list[Goal]:
    """Both goals, for each of `NAMES` that was measured with `client`."""
    goals = []
    for name in NAMES:
        found = results.get((name, client), [])
        if not found:
            continue
        worst = max(result.ratio for result in found)
        done = all(result.finished for result in found)
        goals.append(
            Goal(
                "G10",
                f"{client}: makespan / oracle in {name}",
                f"<= {RATIO:g}",
                f"{worst:.3f}",
                done and worst <= RATIO,
            )
        )
        sent = [r.outage_sent for r in found if r.outage_sent is not None]
        if sent:
            goals.append(
                Goal(
                    "G10",
                    f"{client}: requests into the outage in {name}",
                    f"<= {OUTAGE_SENT}",
                    f"{max(sent)}",
                    max(sent) <= OUTAGE_SENT,
                )
            )
    return goals


def comparison(results: Results) -> str:
    """Worst of the seeds, a line for each scenario and each client."""
    heads = ["", "client", "makespan / oracle", "waste %", "overload %", "into the outage"]

    def worst(found: list[Result], value: Callable[[Result], float]) -> float:
        return max(value(result) for result in found)

    rows = []
    for (name, client), found in results.items():
        sent = [r.outage_sent for r in found if r.outage_sent is not None]
        mark = "" if all(result.finished for result in found) else ">"
        rows.append(
            [
                name,
                client,
                f"{mark}{worst(found, lambda r: r.ratio):.3f}",
                f"{100 * worst(found, lambda r: r.waste):.2f}",
                f"{100 * worst(found, lambda r: r.overload):.1f}",
                str(max(sent)) if sent else "",
            ]
        )
    return table(heads, rows)
