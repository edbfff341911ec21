"""All kinds of jobs, by the name in their runs."""

from __future__ import annotations

from ventil import providers
from ventil.ports import Run
from ventil.wiring.changelogs import NAME, Changelogs
from ventil.wiring.kind import Kind
from ventil.wiring.runs import provider_of
from ventil.wiring.stats import Stats


def kind_of(run: Run) -> Kind:
    """The kind of a stored run. Raises SettingError when this version does not know it."""
    name = provider_of(run)
    return Changelogs() if name == NAME else Stats(providers.get(name))
