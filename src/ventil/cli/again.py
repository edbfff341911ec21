"""Going on with a run that stands: the part that `runs resume` and `failures replay` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ventil.cli.progress import reporter_for
from ventil.cli.stats import duration, finish

if TYPE_CHECKING:
    from collections.abc import Callable

    from ventil.wiring import Workshop


def go_on(
    workshop: Workshop,
    run_id: str,
    *,
    max_wait: str,
    as_json: bool,
    quiet: bool,
    keys: Callable[[], list[str]] | None = None,
) -> int:
    """Go on with a run, or ask again for the records that *keys* gives; the exit code."""
    from ventil.wiring import resume

    max_wait_s = duration("--max-wait", max_wait)
    replay = None if keys is None else keys()
    reporter = reporter_for(quiet=quiet)
    return finish(
        lambda: resume(workshop, run_id, reporter, max_wait_s=max_wait_s, replay=replay),
        workshop,
        reporter,
        as_json=as_json,
    )
