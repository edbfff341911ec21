"""Named points at which a test can kill the process, before and after each write that matters.

`VENTIL_CRASH_AT=ledger.before:3` ends the process with SIGKILL when the point
`ledger.before` is passed for the third time. Without the variable a point costs a
dictionary look-up.
"""

from __future__ import annotations

import os
import signal
from typing import Final

POINTS: Final = (
    "run.before",
    "run.after",
    "queue.before",
    "queue.after",
    "send.before",
    "send.after",
    "steps.before",
    "steps.after",
    "ledger.before",
    "ledger.after",
    "governor.before",
    "governor.after",
    "attempt.before",
    "attempt.after",
    "failures.before",
    "failures.after",
    "artefact.before",
    "artefact.written",
    "artefact.renamed",
    "artefact.after",
    "finish.before",
    "finish.after",
)


def _armed() -> dict[str, int]:
    text = os.environ.get("VENTIL_CRASH_AT", "")
    if not text:
        return {}
    name, _, count = text.partition(":")
    return {name: int(count or 1)}


_left = _armed()


def crashpoint(name: str) -> None:
    """Die here if the environment says so."""
    if name in _left:
        _left[name] -= 1
        if _left[name] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
