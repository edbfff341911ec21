"""Settings from all layers, merged, checked, and with the place that each came from.

Read once, at the edge: the values that come out are frozen, and nothing else in Ventil
looks at the environment or at a settings file. All faults are found before any is reported.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeVar

from pydantic import ValidationError

from ventil.config.declared import (
    DEFAULT_CALLBACKS,
    ChangelogSettings,
    ProviderTable,
    RunSettings,
    SecretRef,
    Table,
    TopTable,
    is_loopback,
    without_secret,
)
from ventil.config.layers import (
    FILE_NAME,
    Given,
    Key,
    dotted,
    from_environ,
    from_file,
    from_flags,
    user_file,
    variable,
)
from ventil.core.duration import format_duration
from ventil.core.quota import Quota
from ventil.errors import SettingError

DEFAULT = "the default"
SHIPPED = "the shipped profile"
SHIPPED_KEYS = frozenset({"base_url", "quotas", "max_in_flight", "cooldown", "timeout"})
"""Keys of a provider whose default is its profile's value."""

_T = TypeVar("_T", bound=Table)


class Shipped(Protocol):
    """What settings need to know of a provider's profile."""

    @property
    def base_url(self) -> str:
        """The public service."""

    @property
    def quotas(self) -> Sequence[str]:
        """All windows as in the settings ("0.45/s"); empty when none is known."""

    @property
    def max_in_flight(self) -> int:
        """Most requests in flight."""

    @property
    def cooldown_s(self) -> float | None:
        """Pause after a throttle that names no time; None: found out."""

    @property
    def timeout_s(self) -> float:
        """Longest time for one answer."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One provider's shipped profile with the user's changes.

    `loopback`: the base URL is on this machine. The rest is as in the reference; times are
    in seconds.
    """

    name: str
    base_url: str
    quotas: tuple[Quota, ...]
    max_in_flight: int
    cooldown_s: float | None
    timeout_s: float
    latency_objective_s: float | None = None
    error_objective: float | None = None
    access: tuple[str, ...] = ()
    maintenance: tuple[str, ...] = ()
    contact: str | None = None
    credential: SecretRef | None = None
    i_have_permission: bool = False
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one command.

    `sources` tells for each dotted key where its value came from. `state_dir` is the folder
    of the SQLite file, else `.ventil` in the working directory; it need not exist.
    """

    database_url: str = field(repr=False)  # it may hold a password
    state_dir: Path
    run: RunSettings
    changelogs: ChangelogSettings
    providers: Mapping[str, ProviderSettings]
    sources: Mapping[str, str]
    callback_url: str = DEFAULT_CALLBACKS

    def provider(self, name: str) -> ProviderSettings:
        """The settings of one provider. Raises `SettingError` naming the nearest known one."""
        try:
            return self.providers[name]
        except KeyError:
            raise SettingError(
                f"there is no provider {name!r}", hint=_nearest(name, self.providers)
            ) from None


@dataclass(frozen=True, slots=True)
class _Fault:
    message: str
    hint: str | None = None


def load_settings(
    *,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    cwd: Path,
    config_file: Path | None = None,
    profiles: Mapping[str, Shipped],
    ignored_variables: frozenset[str] = frozenset(),
) -> Settings:
    """Read flags, environment, `ventil.toml` in *cwd* (or *config_file*) and the user file.

    Each goes before the next, key by key. *flags* has dotted keys; None there means not
    given. *profiles* are the shipped providers by name. *ignored_variables* begin with
    ``VENTIL_`` but are no settings.

    Raises one `SettingError` that tells of every fault.
    """
    layers = [
        list(from_flags(flags)),
        list(from_environ(environ, ignored_variables)),
        list(
            from_file(cwd / config_file, str(config_file), required=True)
            if config_file is not None
            else from_file(cwd / FILE_NAME, FILE_NAME, required=False)
        ),
    ]
    personal = user_file(environ)
    if personal is not None:
        layers.append(list(from_file(personal, str(personal), required=False)))

    known = known_keys(profiles)
    by_variable = {variable(key).lower(): key for key in known}
    faults: list[_Fault] = []
    winners: dict[Key, Given] = {}
    for number, layer in enumerate(layers):
        for given in layer:
            if number == 1:
                key = by_variable.get("ventil_" + "__".join(given.key))
            else:
                key = given.key if given.key in known else None
            if key is not None:
                winners.setdefault(key, given)
            elif not (given.value == {} and _is_table(given.key, profiles)):
                faults.append(_unknown(given, known, profiles, in_environ=number == 1))

    top = _validated(TopTable, (), winners, faults)
    run = _validated(RunSettings, ("run",), winners, faults)
    changelogs = _validated(ChangelogSettings, ("changelogs",), winners, faults)
    providers: dict[str, ProviderSettings] = {}
    for name, shipped in profiles.items():
        table = _validated(ProviderTable, ("providers", name), winners, faults)
        if table is not None:
            providers[name] = _merged(name, table, shipped)
            faults.extend(_loosened(providers[name], shipped, winners))
    if faults or top is None or run is None or changelogs is None:
        raise _error(faults)

    database_url, state_dir = _placed(top.database_url, cwd)
    sources = {
        dotted(key): winners[key].origin
        if key in winners
        else (SHIPPED if key[0] == "providers" and key[-1] in SHIPPED_KEYS else DEFAULT)
        for key in known
    }
    return Settings(
        database_url=database_url,
        state_dir=state_dir,
        run=run,
        changelogs=changelogs,
        providers=MappingProxyType(providers),
        sources=MappingProxyType(sources),
        callback_url=top.callback_url,
    )


def names_of(table: type[Table]) -> list[str]:
    """The keys of a table as the user writes them."""
    return [info.alias or name for name, info in table.model_fields.items()]


def known_keys(profiles: Iterable[str]) -> list[Key]:
    """Every key there is, in the order of the reference."""
    return [
        *((name,) for name in names_of(TopTable)),
        *(("run", name) for name in names_of(RunSettings)),
        *(("changelogs", name) for name in names_of(ChangelogSettings)),
        *(("providers", p, name) for p in profiles for name in names_of(ProviderTable)),
    ]


def validated(table: type[_T], given: Mapping[Key, Given]) -> _T:
    """A table of values that stand alone. Raises SettingError that tells of every fault."""
    faults: list[_Fault] = []
    above = next(iter(given), ("",))[:-1]
    found = _validated(table, above, given, faults)
    if found is None:
        raise _error(faults)
    return found


def _validated(
    table: type[_T], above: Key, winners: Mapping[Key, Given], faults: list[_Fault]
) -> _T | None:
    """The table of the values below `above`; None, and faults, when some are wrong."""
    given = {key[-1]: one for key, one in winners.items() if key[:-1] == above}
    try:
        return table.model_validate({name: one.value for name, one in given.items()})
    except ValidationError as error:
        for wrong in error.errors():
            one = given[str(wrong["loc"][0])]
            info = next(
                i for n, i in table.model_fields.items() if (i.alias or n) == wrong["loc"][0]
            )
            key = (*above, str(wrong["loc"][0]))
            context = wrong.get("ctx", {})
            bound = context.get("ge", context.get("le"))
            if bound is not None and info.alias:  # an alias is a name without its unit
                bound = format_duration(bound)
            said = {
                "greater_than_equal": f"must be at least {bound}",
                "less_than_equal": f"must be at most {bound}",
                "int_parsing": "must be a whole number",
                "int_type": "must be a whole number",
                "int_from_float": "must be a whole number",
                "int_parsing_size": "must be a whole number",
                "bool_parsing": "must be true or false",
                "bool_type": "must be true or false",
                "string_type": "must be a text",
                "tuple_type": "must be a list",
                "value_error": str(context.get("error", "")),
            }.get(wrong["type"], wrong["msg"])
            faults.append(_Fault(f"{_shown(key, one)}: {said}"))
        return None


def _merged(name: str, table: ProviderTable, shipped: Shipped) -> ProviderSettings:
    base_url = table.base_url if table.base_url is not None else shipped.base_url
    return ProviderSettings(
        name=name,
        base_url=base_url.rstrip("/"),
        quotas=table.quotas if table.quotas is not None else _quotas(shipped),
        max_in_flight=table.max_in_flight or shipped.max_in_flight,
        cooldown_s=table.cooldown_s if table.cooldown_s is not None else shipped.cooldown_s,
        timeout_s=table.timeout_s or shipped.timeout_s,
        latency_objective_s=table.latency_objective_s,
        error_objective=table.error_objective,
        access=table.access or (),
        maintenance=table.maintenance or (),
        contact=table.contact,
        credential=table.credential,
        i_have_permission=table.i_have_permission,
        loopback=is_loopback(base_url),
    )


def _loosened(
    provider: ProviderSettings, shipped: Shipped, winners: Mapping[Key, Given]
) -> Iterable[_Fault]:
    """What allows more than the shipped profile without permission to.

    On a loopback address anything goes: that is nobody's API.
    """
    if provider.i_have_permission or provider.loopback:
        return
    at = ("providers", provider.name)
    permit = f"if the provider allows it, write i_have_permission = true under [{dotted(at)}]"
    for limit in _quotas(shipped):
        allowed = min((most_in(quota, limit.span_s) for quota in provider.quotas), default=None)
        if allowed is None or allowed > limit.allowance:
            yield _Fault(
                f"{_shown((*at, 'quotas'), winners.get((*at, 'quotas')))}: allows more than the"
                f" shipped {limit}"
                + (
                    ""
                    if allowed is None
                    else f": {allowed} requests in {format_duration(limit.span_s)}, not"
                    f" {limit.allowance}"
                ),
                f'{permit}; to add a window, keep "{limit}" in the list too',
            )
    if provider.max_in_flight > shipped.max_in_flight:
        yield _Fault(
            f"{_shown((*at, 'max_in_flight'), winners.get((*at, 'max_in_flight')))}:"
            f" is more than the shipped {shipped.max_in_flight}",
            permit,
        )
    if shipped.cooldown_s is not None and (provider.cooldown_s or 0.0) < shipped.cooldown_s:
        yield _Fault(
            f"{_shown((*at, 'cooldown'), winners.get((*at, 'cooldown')))}:"
            f" is shorter than the shipped {format_duration(shipped.cooldown_s)}",
            permit,
        )


def _quotas(shipped: Shipped) -> tuple[Quota, ...]:
    return tuple(Quota.parse(text) for text in shipped.quotas)


def most_in(quota: Quota, span_s: float) -> int:
    """The most weight that `quota` allows in any `span_s` seconds."""
    return quota.allowance * max(1, ceil(span_s / quota.span_s - 1e-9))


def _placed(database_url: str, cwd: Path) -> tuple[str, Path]:
    """The URL with an absolute path, and the state folder."""
    scheme, _, rest = database_url.partition(":///")
    if scheme != "sqlite":
        return database_url, cwd / ".ventil"
    path, mark, query = rest.partition("?")
    absolute = cwd.absolute() / path
    return f"sqlite:///{absolute}{mark}{query}", absolute.parent


def _is_table(key: Key, profiles: Iterable[str]) -> bool:
    tables = {("run",), ("changelogs",), ("providers",)}
    return key in {*tables, *(("providers", name) for name in profiles)}


def _unknown(
    given: Given, known: Sequence[Key], profiles: Mapping[str, Shipped], *, in_environ: bool
) -> _Fault:
    key = given.key
    if in_environ:
        name = given.origin.rsplit(" ", 1)[-1]
        return _Fault(
            f"{name} is not a setting", _nearest(name, [variable(other) for other in known])
        )
    at = f"{dotted(key)} ({given.origin})"
    if _is_table(key, profiles):
        return _Fault(f"{at}: must be a table", f"write [{dotted(key)}] and its keys below it")
    if key[0] == "providers" and len(key) > 1 and key[1] not in profiles:
        return _Fault(f"{at}: there is no provider {key[1]!r}", _nearest(key[1], profiles))
    beside = [other[-1] for other in known if other[:-1] == key[:-1]]
    tables = ["run", "changelogs", "providers"] if len(key) == 1 else []
    hint = _nearest(key[-1], [*beside, *tables])
    elsewhere = sorted({dotted(other) for other in known if other[-1] == key[-1]})
    if not beside or (elsewhere and key[-1] not in beside):
        hint = _nearest(dotted(key), elsewhere or [dotted(other) for other in known])
    return _Fault(f"{at}: is not a setting", hint)


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return "known are " + ", ".join(known) if known else "none is known"


def _shown(key: Key, given: Given | None) -> str:
    """``key = value (origin)``, without secrets and not too long."""
    if given is None:
        return dotted(key)
    if key[-1] == "credential":
        return f"{dotted(key)} ({given.origin})"
    value = given.value
    if isinstance(value, str) and ("//" in value or key[-1].endswith("_url")):
        value = without_secret(value)
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    if len(text) > 80:
        text = text[:77] + "..."
    return f"{dotted(key)} = {text} ({given.origin})"


def _error(faults: Sequence[_Fault]) -> SettingError:
    if len(faults) == 1:
        return SettingError(faults[0].message, hint=faults[0].hint)
    lines = [f.message + (f"; {f.hint}" if f.hint else "") for f in faults]
    return SettingError(f"{len(faults)} settings are wrong:\n  " + "\n  ".join(lines))
