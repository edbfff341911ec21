"""What a person tightens at run time: `ventil providers set`, on top of the settings.

It is kept in the state database as it was written, key by key. Without permission it can
only tighten: what the settings say holds besides, also when they change later. With
`i_have_permission`, and on loopback, it takes the place of what they say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ventil.config.declared import ProviderTable
from ventil.config.layers import Given
from ventil.config.load import ProviderSettings, most_in, validated
from ventil.core.duration import format_duration
from ventil.errors import SettingError

KEYS = ("quotas", "max_in_flight", "cooldown", "maintenance")
"""What can be set at run time."""

ORIGIN = "providers set"


def changed(
    stored: str | None, pairs: Sequence[str], unset: Sequence[str], settings: ProviderSettings
) -> str | None:
    """What is to be stored after `KEY=VALUE` *pairs* are set and others *unset*; None: nothing.

    Raises SettingError for what is no setting, has a bad value, or allows more than *settings*
    without permission to.
    """
    held = read(stored)
    for key in unset:
        _check_key(key)
        held.pop(key, None)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise SettingError(
                f"{pair!r} is not KEY=VALUE", hint="such as max_in_flight=1 or quotas=0.2/s"
            )
        _check_key(key.strip())
        held[key.strip()] = value.strip()
    _wanted(settings, held)
    if not (settings.i_have_permission or settings.loopback):
        _check_tighter(settings, held)
    return json.dumps(held, sort_keys=True) if held else None


def tightened(settings: ProviderSettings, stored: str | None) -> ProviderSettings:
    """The settings with what is stored. What makes no sense any more is left out."""
    held = read(stored)
    if not held:
        return settings
    try:
        wanted = _wanted(settings, held)
    except SettingError:
        return settings
    if settings.i_have_permission or settings.loopback:
        return wanted
    cooldowns = [s for s in (settings.cooldown_s, wanted.cooldown_s) if s is not None]
    return replace(
        wanted,
        quotas=tuple(dict.fromkeys((*settings.quotas, *wanted.quotas))),
        max_in_flight=min(settings.max_in_flight, wanted.max_in_flight),
        cooldown_s=max(cooldowns, default=None),
        maintenance=tuple(dict.fromkeys((*settings.maintenance, *wanted.maintenance))),
    )


def read(stored: str | None) -> dict[str, str]:
    """What is stored, key by key; what cannot be read is nothing."""
    try:
        held = json.loads(stored or "{}")
    except ValueError:
        return {}
    if not isinstance(held, dict):
        return {}
    return {key: value for key, value in held.items() if key in KEYS and isinstance(value, str)}


def _check_key(key: str) -> None:
    if key not in KEYS:
        raise SettingError(
            f"{key!r} cannot be set at run time", hint=f"one of {', '.join(KEYS)}"
        )


def _wanted(settings: ProviderSettings, held: Mapping[str, str]) -> ProviderSettings:
    table = validated(ProviderTable, _given(settings.name, held))
    quotas, maintenance = table.quotas, table.maintenance
    return replace(
        settings,
        quotas=settings.quotas if quotas is None else quotas,
        max_in_flight=table.max_in_flight or settings.max_in_flight,
        cooldown_s=settings.cooldown_s if table.cooldown_s is None else table.cooldown_s,
        maintenance=(
            settings.maintenance
            if maintenance is None
            else tuple(dict.fromkeys((*settings.maintenance, *maintenance)))
        ),
    )


def _given(name: str, held: Mapping[str, str]) -> dict[tuple[str, ...], Given]:
    keys = {("providers", name, key): value for key, value in held.items()}
    return {key: Given(key, value, ORIGIN) for key, value in keys.items()}


def _check_tighter(settings: ProviderSettings, held: Mapping[str, str]) -> None:
    """Raise SettingError when something would allow more than the settings do."""
    wanted = _wanted(settings, held)
    fault = None
    for quota in wanted.quotas if "quotas" in held else ():
        for limit in settings.quotas:
            if quota != limit and most_in(limit, quota.span_s) <= quota.allowance:
                fault = f"quotas = {quota}: allows more than the configured {limit}"
    if wanted.max_in_flight > settings.max_in_flight:
        fault = (
            f"max_in_flight = {wanted.max_in_flight}: is more than the configured"
            f" {settings.max_in_flight}"
        )
    if settings.cooldown_s is not None and (wanted.cooldown_s or 0.0) < settings.cooldown_s:
        fault = (
            f"cooldown = {held['cooldown']}: is shorter than the configured"
            f" {format_duration(settings.cooldown_s)}"
        )
    if fault is not None:
        raise SettingError(
            fault,
            hint="if the provider allows it, write i_have_permission = true under"
            f" [providers.{settings.name}] in the settings",
        )
