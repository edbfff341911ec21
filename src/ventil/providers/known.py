"""All the providers we know, by name."""

import difflib

from ventil.errors import SettingError
from ventil.providers import code_hosts, github, package_registries
from ventil.providers.npm_downloads import NPM_DOWNLOADS
from ventil.providers.profile import Api, Profile, Provider

_PROVIDERS = {provider.name: provider for provider in (NPM_DOWNLOADS,)}

_APIS = {
    api.name: api
    for api in (
        package_registries.NPM_REGISTRY,
        package_registries.PYPI,
        package_registries.RUBYGEMS,
        package_registries.CRATES,
        package_registries.CRATES_INDEX,
        package_registries.CRATES_STATIC,
        github.GITHUB,
        code_hosts.GITLAB,
        code_hosts.CODEBERG,
    )
}


_OWN: dict[str, Api] = {}  # of programs that declare jobs of their own


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


def api_names() -> tuple[str, ...]:
    """The names of the APIs that are asked about packages and repositories, sorted."""
    return tuple(sorted(_APIS))


def api(name: str) -> Api:
    """The API called *name*; raises `SettingError` naming the nearest one known."""
    if name in _APIS:
        return _APIS[name]
    nearest = difflib.get_close_matches(name, _APIS, n=1, cutoff=0.3)
    known = ", ".join(api_names())
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {known}"
    raise SettingError(f"unknown provider {name!r}", hint=hint)


def add(own: Api) -> None:
    """Make an API of the user's own known. Raises ValueError when its name is taken."""
    if own.name in _PROVIDERS or own.name in _APIS:
        raise ValueError(f"there is a provider {own.name!r} already")
    _OWN[own.name] = own


def own_names() -> tuple[str, ...]:
    """The names of the user's own APIs, sorted."""
    return tuple(sorted(_OWN))


def asked(name: str) -> Provider | Api:
    """Everything that can be asked, by name; raises `SettingError` as `get` does."""
    if name in _OWN:
        return _OWN[name]
    return _APIS[name] if name in _APIS else get(name)


def anonymous_quotas(name: str) -> tuple[str, ...]:
    """What holds beside the profile's quotas while no credential is configured."""
    return _APIS[name].anonymous_quotas if name in _APIS else ()


def profiles() -> dict[str, Profile]:
    """The shipped profile of everything that can be asked, by name."""
    everything: list[Provider | Api] = [*_PROVIDERS.values(), *_APIS.values(), *_OWN.values()]
    return {one.name: one.profile for one in sorted(everything, key=lambda one: one.name)}
