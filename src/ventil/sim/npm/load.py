"""Scenarios from files and by name.

TOML or JSON, with the fields of `Scenario`; each behaviour says its `kind`, and writes
`for` where the class says `count`::

    name = "a bad afternoon"
    latency_s = 0.05

    [[quotas]]
    limit = 30
    window_s = 60
    retry_after = "seconds"

    [ban]
    seconds = 120

    [[behaviours]]
    kind = "fail"
    status = 503
    after = 10
    for = 5

`base = "npm"` starts from a preset and replaces what the file says.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from ventil.errors import SettingError
from ventil.sim.npm import scenario as s
from ventil.sim.npm.presets import PRESETS

_T = TypeVar("_T")

KINDS: Mapping[str, type[s.When]] = {
    kind.__name__.lower(): kind for kind in typing.get_args(s.Behaviour)
}
"""Behaviour classes by the `kind` that a file says."""


def named_or_file(text: str) -> s.Scenario:
    """The preset named *text*, or the scenario in the file of that path.

    Raises SettingError when there is neither, or the file is not a scenario.
    """
    preset = PRESETS.get(text)
    if preset is not None:
        return preset
    path = Path(text)
    if not path.is_file():
        near = _nearest(text, PRESETS)
        raise SettingError(
            f"no scenario and no file is named {text!r}",
            hint=f"{near}scenarios: {', '.join(sorted(PRESETS))}; or a .toml or .json file",
        )
    return from_file(path)


def from_file(path: Path) -> s.Scenario:
    """Read a scenario from a TOML file, or JSON when the name ends in `.json`."""
    try:
        text = path.read_text("utf-8-sig")
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise SettingError(f"{path}: cannot read the scenario: {error}") from error
    if not isinstance(table, dict):
        raise SettingError(f"{path}: a scenario is a table")
    return from_table(table, place=str(path))


def from_table(table: Mapping[str, Any], *, place: str = "scenario") -> s.Scenario:
    """The scenario that *table* describes. Raises SettingError naming key and value."""
    fields = dict(table)
    base = fields.pop("base", "calm")
    if base not in PRESETS:
        raise SettingError(f"{place}: base is {base!r}: not one of {', '.join(PRESETS)}")
    quotas = [
        _build(s.Quota, quota, f"{place}: quotas[{i}]")
        for i, quota in enumerate(_list(fields, "quotas", place))
    ]
    behaviours = [
        _behaviour(behaviour, f"{place}: behaviours[{i}]")
        for i, behaviour in enumerate(_list(fields, "behaviours", place))
    ]
    made: dict[str, Any] = {}
    if "quotas" in fields:
        made["quotas"] = tuple(quotas)
    if "behaviours" in fields:
        made["behaviours"] = tuple(behaviours)
    if fields.get("ban") is not None:
        made["ban"] = _build(s.Ban, fields["ban"], f"{place}: ban")
    plain = {k: v for k, v in fields.items() if k not in ("quotas", "behaviours", "ban")}
    made |= _converted(s.Scenario, plain, place)
    return dataclasses.replace(PRESETS[base], **made)


def _behaviour(table: Any, place: str) -> s.Behaviour:
    if not isinstance(table, dict):
        raise SettingError(f"{place} is {table!r}: expected a table")
    fields = dict(table)
    kind = fields.pop("kind", None)
    if kind not in KINDS:
        raise SettingError(
            f"{place}: kind is {kind!r}: not one of {', '.join(sorted(KINDS))}",
            hint=_nearest(str(kind), KINDS).rstrip("; ") or None,
        )
    if "for" in fields:
        fields["count"] = fields.pop("for")
    return cast("s.Behaviour", _build(KINDS[kind], fields, place))


def _list(fields: Mapping[str, Any], key: str, place: str) -> list[Any]:
    value = fields.get(key, [])
    if not isinstance(value, list):
        raise SettingError(f"{place}: {key} is {value!r}: expected a list of tables")
    return value


def _build(kind: type[_T], table: Any, place: str) -> _T:
    if not isinstance(table, dict):
        raise SettingError(f"{place} is {table!r}: expected a table")
    converted = _converted(kind, table, place)
    try:
        return kind(**converted)
    except TypeError as error:
        raise SettingError(f"{place}: {error}") from error
    except SettingError as error:
        raise SettingError(f"{place}: {error.message}") from error


def _converted(kind: type, table: Mapping[str, Any], place: str) -> dict[str, Any]:
    types = typing.get_type_hints(kind)
    converted: dict[str, Any] = {}
    for key, value in table.items():
        if key not in types:
            hint = _nearest(key, types).rstrip("; ") or None
            raise SettingError(f"{place}: unknown key {key!r}", hint=hint)
        try:
            converted[key] = msgspec.convert(value, types[key])
        except msgspec.ValidationError as error:
            raise SettingError(f"{place}: {key} is {value!r}: {error}") from error
    return converted


def _nearest(text: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(text, known, 1)
    return f"did you mean {near[0]!r}? " if near else ""
