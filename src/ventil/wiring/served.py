"""Whom each kind of job asks, and which runs somebody can work on who may ask some of them.

Apart from the kinds themselves: a worker has to know this of all of them, and what
changelogs need besides is much to import.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ventil import providers
from ventil.wiring.workshop import Workshop

CHANGELOGS = "changelogs"
"""What stands before the @ in `Run.provider` of a changelog run."""

_LEFT_OUT = frozenset({"crates"})  # its index and archives are asked instead


def all_names() -> tuple[str, ...]:
    """Everything that can be asked."""
    return tuple(providers.profiles())


def changelog_names() -> tuple[str, ...]:
    """Every registry and code host that the finder of changelogs may name."""
    return tuple(name for name in providers.api_names() if name not in _LEFT_OUT)


def changelogs_key(workshop: Workshop) -> str:
    """Tells apart where the providers are: what a simulation said is not the world's."""
    places = "\n".join(map(workshop.provider_key, changelog_names()))
    return f"{CHANGELOGS}@{hashlib.sha256(places.encode()).hexdigest()[:8]}"


def _asked_alone() -> tuple[str, ...]:
    """Providers that have runs of their own."""
    return providers.names() + providers.own_names()


def needs(workshop: Workshop, names: Iterable[str]) -> dict[str, frozenset[str]]:
    """What `Run.provider` says of the runs that can be worked on by asking *names* alone.

    With the provider keys that runs of each need.
    """
    known = set(names)
    keys = [workshop.provider_key(name) for name in _asked_alone() if name in known]
    found = {key: frozenset({key}) for key in keys}
    if known.issuperset(changelog_names()):
        asked = frozenset(map(workshop.provider_key, changelog_names()))
        found[changelogs_key(workshop)] = asked
    return found
