"""What makes one kind of job: whom it asks, and what it publishes."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from ventil.adapters.sql import SqlStore
from ventil.core.fold import Counts
from ventil.ports import Recipe, Run, Workbench
from ventil.wiring.workshop import Workshop


class Kind(Protocol):
    """A kind of job; see `ventil.wiring.stats` and `ventil.wiring.changelogs`."""

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of those it may ask."""
        ...

    @property
    def defers(self) -> bool:
        """Whether its recipe awaits answers that come hours later (`core.exchange.Await`).

        Such a recipe asks about one record at a time, and a failed order is not made again
        by itself: its record goes to the failure queue.
        """
        ...

    def recipe(self, workshop: Workshop) -> Recipe:
        """How its records are asked about."""
        ...

    def key(self, workshop: Workshop) -> str:
        """What `Run.provider` is by the settings as they are now."""
        ...

    def side_by_side(self, workshop: Workshop) -> int:
        """How many batches of a chunk are under way together."""
        ...

    def workbench(self) -> AbstractAsyncContextManager[Workbench | None]:
        """Where untrusted bytes are worked on; None for a job that has none."""
        ...

    def check_output(self, output: Path) -> None:
        """Raise OutputError when the artefact could not be written there."""
        ...

    def publish(
        self,
        workshop: Workshop,
        run: Run,
        store: SqlStore,
        tallies: Mapping[str, Any],
        workbench: Workbench | None,
        *,
        suspended: str | None,
    ) -> Coroutine[Any, Any, tuple[Counts, bool]]:
        """Write the artefacts; the counts, and whether a former one was kept.

        *tallies* as in `Run`. *suspended* says why the run waits, None when it is over.
        """
        ...
