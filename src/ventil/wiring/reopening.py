"""Going on with a run that stands: resume, and replay of its failure queue."""

from __future__ import annotations

from pathlib import Path

from ventil.errors import Cancelled, SettingError, UserError
from ventil.ports import Reporter, RunState
from ventil.wiring.asked import Result
from ventil.wiring.execution import execute, locked
from ventil.wiring.kinds import kind_of
from ventil.wiring.runs import ask_again, check_newest, find_run, reopen_for
from ventil.wiring.workshop import Workshop


async def resume(
    workshop: Workshop,
    run_id: str,
    reporter: Reporter,
    *,
    max_wait_s: float,
    replay: list[str] | None = None,
) -> Result:
    """Go on with a run that is not finished, or was cancelled.

    *replay* names records of its failure queue: they are asked again instead, also when
    the run is over, and the same artefact is patched.
    """
    words = f"run {run_id}"
    if workshop.shared:  # there a lock is a job's, and another command may follow it
        looked = workshop.store(create=False)
        try:
            words = find_run(looked, run_id).job
        finally:
            looked.close()
    lock = await locked(workshop, words, max_wait_s, reporter)
    try:
        store = workshop.store(create=False)
        try:
            run = find_run(store, run_id)
            kind = kind_of(run)
            key = kind.key(workshop)
            if key != run.provider:
                raise SettingError(
                    f"run {run.id} asked {run.provider}, but the settings now say {key}",
                    hint="give it the same base_url as before",
                )
            kind.check_output(Path(run.output))
            check_newest(store, run)
            recipe, now_s = kind.recipe(workshop), workshop.clock.now_s()
            if replay is not None:
                reopen_for(replay, recipe, run, store, now_s)
            elif not (run.state.resumable or run.state is RunState.CANCELLED):
                raise UserError(
                    f"run {run.id} is over ({run.state})",
                    hint=f"its failed records: ventil failures replay {run.id}",
                )
            elif not kind.defers:
                ask_again(recipe, run, store, now_s)
            if not store.reopen_run(run):
                raise Cancelled(f"run {run.id} was changed by another command just now")
            return await execute(
                workshop, kind, run, store, reporter, max_wait_s=max_wait_s, resumed=True
            )
        finally:
            store.close()
    finally:
        lock.release()
