"""Stored runs: finding one, what its row says, and what a second start asks again."""

from __future__ import annotations

from ventil.adapters.sql import SqlStore
from ventil.core.model import Status
from ventil.errors import UserError
from ventil.ports import ChunkRow, Recipe, Run, RunState

_LATEST = 1000
"""Runs that are looked through for a later one of the same artefact."""


def provider_of(run: Run) -> str:
    """The provider's name in a run's provider key."""
    return run.provider.partition("@")[0]


def find_run(store: SqlStore, run_id: str) -> Run:
    """A run by its id or the word `last`. Raises UserError naming the known ones."""
    runs = store.runs(limit=10)
    if run_id == "last" and runs:
        return runs[0]
    run = store.run(run_id)
    if run is None:
        known = ", ".join(r.id for r in runs[:3]) or "none yet"
        raise UserError(f"there is no run {run_id!r}", hint=f"the latest: {known}")
    return run


def check_newest(store: SqlStore, run: Run) -> None:
    """Raise UserError when a later run has published the same artefact.

    Going on with the older one would put its records and its day over the newer ones.
    """
    for other in store.runs(limit=_LATEST):
        if other.created_s <= run.created_s:
            return
        if other.output == run.output and other.finished_s is not None:
            raise UserError(
                f"run {run.id} is out of date: run {other.id} has published {run.output} since",
                hint=f"what that one could not get: ventil failures replay {other.id}",
            )


def ask_again(recipe: Recipe, run: Run, store: SqlStore, now_s: float) -> None:
    """A run that was suspended asks for its failed records too: the outage did it."""
    if run.state is RunState.SUSPENDED:
        failed = [f.key for f in store.failures(run_id=run.id) if f.status is Status.FAILED]
        reopen_for(failed, recipe, run, store, now_s)
        store.begin_chunks_anew(run.id, now_s)


def reopen_for(
    keys: list[str], recipe: Recipe, run: Run, store: SqlStore, now_s: float
) -> None:
    """Add a chunk for *keys*, less what an unfinished one (a killed replay's) holds."""
    rows = store.chunk_progress(run.id)
    unfinished = [index for index, _, _, finished in rows if not finished]
    held = {
        key
        for index in unfinished
        for batch in store.chunk(run.id, index).batches
        for key in batch
    }
    due = [key for key in keys if key not in held]
    if due:
        batches = tuple(recipe.batches(due))
        chunk = ChunkRow(len(rows), batches, 0, 0, False, now_s)
        store.reopen_chunks(run.id, [chunk])
