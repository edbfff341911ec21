"""What makes one kind of job: whom it asks, and what it publishes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ventil.adapters.sql import SqlStore
from ventil.core.fold import Counts
from ventil.ports import Provider, Run
from ventil.wiring.workshop import Workshop


class Kind(Protocol):
    """A kind of job; see `ventil.wiring.stats`."""

    @property
    def provider(self) -> Provider:
        """Whom it asks, and how."""
        ...

    def key(self, workshop: Workshop) -> str:
        """What `Run.provider` is by the settings as they are now."""
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
        *,
        suspended: str | None,
    ) -> tuple[Counts, bool]:
        """Write the artefacts; the counts, and whether a former one was kept.

        *tallies* as in `Run`. *suspended* says why the run waits, None when it is over.
        """
        ...
