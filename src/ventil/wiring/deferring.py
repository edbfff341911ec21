"""Answers that come later: what a job that awaits them needs, and the calls that bring them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ventil.adapters.sql import SqlStore
from ventil.engine.deferred import MOST_WOKEN, Deferrals, digest_of
from ventil.engine.rest import Rest
from ventil.errors import UserError
from ventil.ports import Callback, Clock
from ventil.wiring.kind import Kind
from ventil.wiring.runs import find_run
from ventil.wiring.workshop import Workshop

LONGEST_TOKEN = 128

MOST_AT_A_LOOK = 8
"""Chunks that a worker makes at one look, of all its runs: some hundredths of a second."""


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


class TakingUp:
    """Makes chunks of records whose later answer has come, or is to be asked for.

    However many are due at one moment, of however many runs: a few chunks at each look, of
    the runs in turn.
    """

    def __init__(self) -> None:
        self._last = ""

    def look(self, store: SqlStore, run_keys: Sequence[str], now_s: float) -> None:
        """Make some for the running runs of these keys. Raises StateError, Fenced."""
        due = sorted(store.due_runs(run_keys, now_s))
        turn = deque([run for run in due if run > self._last])
        turn.extend(run for run in due if run <= self._last)
        for _ in range(MOST_AT_A_LOOK):
            if not turn:
                return
            run = self._last = turn.popleft()
            if store.wake(run, now_s, most=MOST_WOKEN) is not None:
                turn.append(run)


def expects(store: SqlStore, token: str, now_s: float) -> tuple[Callback, str]:
    """What a call to a token's address would come to now, and whose it is: a provider key."""
    digest = _digest(token)
    return (Callback.UNKNOWN, "") if digest is None else store.expects(digest, now_s)


def call(store: SqlStore, token: str, body: bytes, content_type: str, now_s: float) -> Callback:
    """Somebody sends *body* to a token's address."""
    digest = _digest(token)
    if digest is None:
        return Callback.UNKNOWN
    # What is no text comes as lone surrogates, which no database takes.
    plain = content_type.encode("ascii", "replace").decode().replace("\0", "?")
    return store.call(digest, body, plain[:200], now_s)


def _digest(token: str) -> bytes | None:
    if not token or len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    return digest_of(token)


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
