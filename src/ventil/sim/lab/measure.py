"""Many experiments, in one process or several; the results do not depend on how many."""

from __future__ import annotations

import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from ventil.sim.lab.clients import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ventil.sim.lab.race import Result

Task = tuple[str, str, int]
"""Scenario, client, seed."""

Results = dict[tuple[str, str], list["Result"]]
"""By scenario and client, one result per seed."""


def measure(tasks: Sequence[Task], jobs: int = 1) -> Results:
    """Run the tasks in `jobs` processes; the results come in the order of the tasks."""
    if jobs > 1 and len(tasks) > 1:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
            found = list(pool.map(_one, tasks))
    else:
        found = [_one(task) for task in tasks]
    results: Results = {}
    for (name, client, _), result in zip(tasks, found, strict=True):
        results.setdefault((name, client), []).append(result)
    return results


def _one(task: Task) -> Result:
    name, client, seed = task
    return run(name, client, seed=seed)


def plain(results: Results) -> list[dict[str, Any]]:
    """Every single result for JSON, without the moments."""
    rows = []
    for found in results.values():
        for result in found:
            fields = dataclasses.asdict(dataclasses.replace(result, moments=()))
            del fields["moments"]
            rows.append(fields | {"finished": result.finished})
    return rows
