"""Taking part in the pace of all workers, as one of them or as a visitor."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from ventil import __version__
from ventil.adapters.pacing import Pacing
from ventil.adapters.terms import NewGovernor
from ventil.core.governor import Governor, GovernorState
from ventil.wiring.workshop import Workshop, policy_for


def new_name() -> str:
    """A name for a worker: its host, and what tells it apart."""
    return f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"


def pacing_of(
    workshop: Workshop,
    name: str,
    providers: Iterable[str],
    *,
    slots: int,
    note: Callable[[str], None],
) -> Pacing:
    """The place of worker *name* among the others, not joined yet. *slots* as in `worker`."""
    keys = {workshop.provider_key(provider): provider for provider in providers}
    return Pacing(
        workshop.settings.database_url,
        worker=name,
        host=socket.gethostname(),
        slots=slots,
        version=__version__,
        governors={key: _new_governor(workshop, p) for key, p in keys.items()},
        timeouts_s={key: workshop.settings.provider(p).timeout_s for key, p in keys.items()},
        note=note,
    )


def _new_governor(workshop: Workshop, provider: str) -> NewGovernor:
    policy = policy_for(workshop, provider)

    def governor(now_s: float, state: GovernorState | None, lost_s: float) -> Governor:
        return Governor(policy, now_s, state=state, lost_s=lost_s)

    return governor


@contextlib.asynccontextmanager
async def visit(
    workshop: Workshop, providers: Sequence[str], note: Callable[[str], None]
) -> AsyncIterator[Pacing]:
    """Be in among the workers, to ask for oneself and to work on no run: without slots.

    Raises WrongDatabase, StateError.
    """
    pacing = pacing_of(workshop, new_name(), providers, slots=0, note=note)
    await pacing.join()
    try:
        yield pacing
    finally:
        await pacing.leave()
