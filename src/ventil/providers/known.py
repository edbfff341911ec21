"""All the providers we know, by name."""

import difflib

from ventil.errors import SettingError
from ventil.providers.npm_downloads import NPM_DOWNLOADS
from ventil.providers.profile import Provider

_PROVIDERS = {provider.name: provider for provider in (NPM_DOWNLOADS,)}


def names() -> tuple[str, ...]:
    """The names of all providers, sorted."""
    return tuple(sorted(_PROVIDERS))


def get(name: str) -> Provider:
    """The provider called *name*; raises `SettingError` naming the nearest one known."""
    if name in _PROVIDERS:
        return _PROVIDERS[name]
    nearest = difflib.get_close_matches(name, _PROVIDERS, n=1, cutoff=0.3)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(names())}"
    raise SettingError(f"unknown provider {name!r}", hint=hint)
