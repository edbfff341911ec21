"""What a command asks for, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ventil.core.fold import Counts
from ventil.errors import VentilError
from ventil.ports import Run


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for on the command line."""

    catalogue: str
    data: bytes
    output: Path
    period: str
    tolerate: float
    max_wait_s: float
    refresh: bool = False
    provider: str = "npm-downloads"
    ecosystem: str = "npm"
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a command that runs a job ended. `exit_code` as in the contract.

    `counts` is None when nothing was published. `kept`: a former artefact was, because
    there was no number to put in its place.
    """

    run: Run
    counts: Counts | None
    exit_code: int
    error: VentilError | None = None
    kept: bool = False
