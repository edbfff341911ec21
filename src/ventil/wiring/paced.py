"""Taking part in the pace of all workers, as one of them or as a visitor."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from ventil import __version__
from ventil.adapters.pacing import Pacing
from ventil.adapters.terms import NewGovernor
from ventil.adapters.worker_store import WorkerStore
from ventil.core.governor import Governor, GovernorState
from ventil.errors import StateError
from ventil.wiring.workshop import Workshop, policy_for


def new_name() -> str:
    """A name for a worker: its host, and what tells it apart."""
    return f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"


def pacing_of(
    workshop: Workshop,
    store: WorkerStore,
    providers: Iterable[str],
    *,
    slots: int,
    note: Callable[[str], None],
) -> Pacing:
    """The place of *store*'s worker among the others, not joined yet. *slots*: see `Worker`."""
    keys = {workshop.provider_key(provider): provider for provider in providers}
    return Pacing(
        workshop.settings.database_url,
        worker=store.worker,
        host=socket.gethostname(),
        slots=slots,
        version=__version__,
        governors={key: _new_governor(workshop, p, store) for key, p in keys.items()},
        timeouts_s={key: workshop.settings.provider(p).timeout_s for key, p in keys.items()},
        note=note,
    )


def _new_governor(workshop: Workshop, provider: str, store: WorkerStore) -> NewGovernor:
    key = workshop.provider_key(provider)

    def governor(now_s: float, state: GovernorState | None, lost_s: float) -> Governor:
        try:
            limits = store.provider(key).limits
        except StateError as error:  # as if our own connection had broken: begin anew
            raise ConnectionError(error.message) from error
        policy = policy_for(workshop, provider, limits)
        return Governor(policy, now_s, state=state, lost_s=lost_s)

    return governor


@contextlib.asynccontextmanager
async def visit(
    workshop: Workshop, providers: Sequence[str], note: Callable[[str], None]
) -> AsyncIterator[tuple[Pacing, WorkerStore]]:
    """Be in among the workers, to ask for oneself and to work on no run: without slots.

    Raises WrongDatabase, StateError.
    """
    store = WorkerStore(workshop.settings.database_url, new_name())
    pacing = pacing_of(workshop, store, providers, slots=0, note=note)
    try:
        await pacing.join()
        try:
            yield pacing, store
        finally:
            await pacing.leave()
    finally:
        store.close()
