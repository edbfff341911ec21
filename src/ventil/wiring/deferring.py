"""Answers that come later: what a job that awaits them needs, and the calls that bring them."""

from __future__ import annotations

from ventil.adapters.sql import SqlStore
from ventil.engine.deferred import Deferrals, digest_of
from ventil.engine.rest import Rest
from ventil.errors import UserError
from ventil.ports import Callback, Clock
from ventil.wiring.kind import Kind
from ventil.wiring.runs import find_run
from ventil.wiring.workshop import Workshop

LONGEST_TOKEN = 128


def deferrals_of(
    workshop: Workshop,
    kind: Kind,
    run_id: str,
    store: SqlStore,
    clock: Clock,
    *,
    waits_here: bool,
) -> Deferrals | None:
    """What a run of *kind* needs to await later answers; None when it awaits none."""
    if not kind.defers:
        return None
    callbacks = f"{workshop.settings.callback_url}/callbacks"
    return Deferrals(store, run_id, clock, callbacks=callbacks, waits_here=waits_here)


def rest_of(
    workshop: Workshop, kind: Kind, run_id: str, store: SqlStore, max_wait_s: float
) -> Rest:
    """How long whoever follows a run waits with it for later answers."""
    waits = deferrals_of(workshop, kind, run_id, store, workshop.clock, waits_here=True)
    return Rest(waits, max_wait_s)


def call(store: SqlStore, token: str, body: bytes, content_type: str, now_s: float) -> Callback:
    """Somebody sends *body* to a token's address."""
    if not token or len(token) > LONGEST_TOKEN or not token.isascii():
        return Callback.UNKNOWN
    return store.call(digest_of(token), body, content_type[:200], now_s)


def cancel_waits(store: SqlStore, run_id: str, keys: list[str]) -> int:
    """Let records of a run wait no longer; how many did. Raises UserError for a wrong one."""
    run = find_run(store, run_id)
    waiting = {wait.key for wait in store.waits(run.id)}
    for key in keys:
        if key not in waiting:
            raise UserError(
                f"{key!r} does not wait for a later answer in run {run.id}",
                hint=f"{len(waiting)} records wait: ventil runs show {run.id}",
            )
    return sum(store.cancel_wait(run.id, key) for key in keys)
