"""What is left to do for a run and for a provider, and how many slots could do it now."""

from __future__ import annotations

from dataclasses import dataclass

from ventil.adapters import backlog as rows
from ventil.adapters.shared_lock import live_slots
from ventil.adapters.sql import SqlStore
from ventil.core.governor import Governor
from ventil.core.scale import Scale, takes, usable
from ventil.ports import Run
from ventil.wiring.served import all_names, needs
from ventil.wiring.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be done: about so many records in chunks of runs that are not over.

    `age_s`: how long the oldest of it has waited, since it was planned or tried last; None
    when nothing does. `dropped`: records that a person has given up, of all stored runs.
    """

    runs: int
    chunks: int
    records: int
    age_s: float | None
    dropped: int


def of_run(workshop: Workshop, run: Run, store: SqlStore) -> Backlog:
    """What is left of one run."""
    now_s = workshop.clock.now_s()
    found = rows.backlogs(store, now_s, run=run.id)
    return _added(found, now_s, rows.dropped(store, run=run.id))


def of_provider(
    workshop: Workshop, name: str, store: SqlStore, governor: Governor
) -> tuple[Backlog, Scale]:
    """What is left to be asked of a provider, and the slots for it.

    A run that asks several providers counts for each of them.
    """
    now_s = workshop.clock.now_s()
    key = workshop.provider_key(name)
    run_keys = [run for run, asked in needs(workshop, all_names()).items() if key in asked]
    found = [left for left in rows.backlogs(store, now_s) if left.run_key in run_keys]
    backlog = _added(found, now_s, rows.dropped(store, run_keys or [key]))
    running = [left for left in found if left.state == "running"]
    due = sum(left.due for left in running)
    condition, policy = governor.condition(now_s), governor.policy
    shut = store.provider(key).paused is not None or policy.calendar.opens(now_s)[0] > now_s
    rate = min((quota.rate for quota in policy.quotas), default=None)
    workers, slots, used = _slots(workshop, key, running)
    could = usable(takes(condition, rate, shut=shut), due)
    return backlog, Scale(used=used, slots=slots, workers=workers, usable=could)


def _added(found: list[rows.RunBacklog], now_s: float, dropped: int) -> Backlog:
    left = [row for row in found if row.chunks]
    since = [row.since_s for row in left if row.since_s is not None]
    return Backlog(
        runs=len(left),
        chunks=sum(row.chunks for row in left),
        records=sum(row.records for row in left),
        age_s=max(0.0, now_s - min(since)) if since else None,
        dropped=dropped,
    )


def _slots(
    workshop: Workshop, key: str, running: list[rows.RunBacklog]
) -> tuple[int, int, int]:
    """(workers that serve the key, their slots for it, slots in use)."""
    if workshop.shared:
        workers, slots = live_slots(workshop.settings.database_url, key)
        return workers, slots, sum(row.claimed for row in running)
    if workshop.lock().holder() is None:
        return 0, 0, 0
    slots = workshop.settings.run.chunks_at_once  # one process, which runs one job
    return 1, slots, min(slots, sum(row.due for row in running))
