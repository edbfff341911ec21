"""Where is the changelog of a package? A search that asks little and says what it did. Pure."""

from ventil.changelog.finder.model import (
    ECOSYSTEMS,
    Ask,
    Finding,
    HostRelease,
    How,
    Manners,
    Package,
    Place,
    Remembered,
    RepositoryQuery,
    Result,
    Status,
    Step,
    Unpack,
)
from ventil.changelog.finder.search import find
from ventil.changelog.finder.together import Ended, Together, find_together

__all__ = [
    "ECOSYSTEMS",
    "Ask",
    "Ended",
    "Finding",
    "HostRelease",
    "How",
    "Manners",
    "Package",
    "Place",
    "Remembered",
    "RepositoryQuery",
    "Result",
    "Status",
    "Step",
    "Together",
    "Unpack",
    "find",
    "find_together",
]
