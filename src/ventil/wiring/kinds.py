"""All kinds of jobs, by the name in their runs."""

from __future__ import annotations

from ventil import providers
from ventil.ports import Run
from ventil.wiring.kind import Kind
from ventil.wiring.runs import provider_of
from ventil.wiring.served import CHANGELOGS
from ventil.wiring.stats import Stats

_OWN: dict[str, Kind] = {}


def add(name: str, kind: Kind) -> None:
    """Make a kind of the user's own known in this process."""
    _OWN[name] = kind


def kind_of(run: Run) -> Kind:
    """The kind of a stored run. Raises SettingError when this version does not know it."""
    name = provider_of(run)
    if name in _OWN:
        return _OWN[name]
    if name == CHANGELOGS:
        # Brings the renderers of markup along, which other jobs do without.
        from ventil.wiring.changelogs import Changelogs

        return Changelogs()
    return Stats(providers.get(name))
