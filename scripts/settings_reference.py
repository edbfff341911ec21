"""Write docs/reference/settings.md from the declared settings and the shipped profiles.

`make docs` runs this; with --check it only says whether the page is current (exit 1 when
it is not).
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterator
from pathlib import Path

from generated import write_or_check
from pydantic.fields import FieldInfo

from ventil import providers
from ventil.config.declared import (
    KINDS,
    ChangelogSettings,
    ProviderTable,
    RunSettings,
    Table,
    TopTable,
)
from ventil.config.layers import Key, dotted, variable
from ventil.config.load import SHIPPED_KEYS
from ventil.core.duration import format_duration

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "settings.md"

HEAD = """\
<!-- Made by scripts/settings_reference.py (make docs); change the declarations in
src/ventil/config/declared.py instead. -->

# Settings

Nothing has to be set. What is set counts in this order, key by key:

1. flags of the command,
2. environment variables,
3. `ventil.toml` in the working directory, or the file given with `--config`,
4. the user's own file, `$XDG_CONFIG_HOME/ventil/ventil.toml` or
   `~/.config/ventil/ventil.toml`,
5. the shipped profile of the provider, or the default.

`ventil doctor` shows where each value came from. A key or provider that is not known, and
a value that does not fit, end the command with exit code 2; the message names key, value,
place and what would be right, for all faults at once.

```toml
# ventil.toml
[providers.npm-downloads]
quotas = ["0.45/s", "1000/h"]
cooldown = "2h"
contact = "ops@example.org"

[run]
retry_delay = "10m"
```

An environment variable is `VENTIL_` and the key in capitals, with `__` for a dot and `_`
for a hyphen. A list is split at commas, or is written as JSON: `a, b` or `["a", "b"]`. A
variable that is empty counts as not set.

## How values are written

- **duration**: `500ms`, `30s`, `5m`, `1h30m`, `1d`, or a number of seconds.
- **list of quotas**: a number per window of time, as in `5/s`, `30/min`, `5000/h`,
  `5000000/30d`. In any window of that length no more is sent; a number below one is one
  request in a longer window, so `0.45/s` is one in 2.22 seconds.
- **list of hours**: `Mon-Fri 22:00-06:00 Europe/Zurich`; without days it is every day.
- **reference to a secret**: `env:NAME` (an environment variable) or `file:PATH`. A secret
  itself never stands in a setting, and a URL that holds one is refused.

## Tighter is free, looser asks for permission

A provider's shipped limits are what its operators ask for, or what was found to be safe.
You may tighten each of them. Loosening one (a quota that lets more through in any shipped
window, or leaves such a window out; more requests in flight; a shorter cooldown) is an
error unless the provider has allowed it to you and you say so:

```toml
[providers.npm-downloads]
quotas = ["5/s"]
i_have_permission = true
```

A base URL on a loopback address (`127.0.0.0/8`, `[::1]`, `localhost`) is nobody's API: no
permission is needed there.
"""


def page() -> str:
    """The whole page."""
    names = tuple(providers.profiles())
    example = providers.names()[0]
    parts = [
        HEAD,
        "## Keys outside any table\n",
        *_section(TopTable, ()),
        "## `[run]`\n",
        *_section(RunSettings, ("run",)),
        "## `[changelogs]`\n",
        *_section(ChangelogSettings, ("changelogs",)),
        "## `[providers.NAME]`\n",
        f"Known providers: {', '.join(f'`{name}`' for name in names)}. The variables are those"
        f" of `{example}`.\n",
        _shipped(names),
        *_section(ProviderTable, ("providers", example)),
    ]
    return "\n".join(parts)


def _section(table: type[Table], above: Key) -> Iterator[str]:
    hints = typing.get_type_hints(table, include_extras=True)
    for name, info in table.model_fields.items():
        key = (*above, info.alias or name)
        shown = dotted(key) if above[:1] != ("providers",) else f"providers.NAME.{key[-1]}"
        facts = [_kind(hints[name], info), _default(key, info), f"`{variable(key)}`"]
        yield f"### `{shown}`\n\n{' · '.join(facts)}\n\n{info.description}\n"
        if info.examples:
            yield f"```toml\n{key[-1]} = {_toml(info.examples[0])}\n```\n"


def _kind(hint: object, info: FieldInfo) -> str:
    alternatives = [hint]
    if not hasattr(hint, "__metadata__"):
        alternatives += [a for a in typing.get_args(hint) if a is not type(None)]
    kind = next(KINDS[a] for a in alternatives if a in KINDS)
    bounds = {
        end: getattr(part, end)
        for part in info.metadata
        for end in ("ge", "le")
        if hasattr(part, end)
    }
    if len(bounds) < 2:
        return kind
    low, high = bounds["ge"], bounds["le"]
    if kind == "duration":
        low, high = format_duration(low), format_duration(high)
    return f"{kind}, {low} to {high}"


def _default(key: Key, info: FieldInfo) -> str:
    if key[0] == "providers" and key[-1] in SHIPPED_KEYS:
        return "default: as shipped"
    if info.default is None:
        return "default: none"
    value = format_duration(info.default) if isinstance(info.default, float) else info.default
    return f"default `{_toml(value)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _shipped(names: tuple[str, ...]) -> str:
    rows = ["| as shipped | quotas | in flight | cooldown | timeout |", "|---|---|---|---|---|"]
    for name in names:
        profile = providers.profiles()[name]
        rows.append(
            f"| `{name}` | {', '.join(f'`{q}`' for q in profile.quotas) or 'none'}"
            f" | {profile.max_in_flight} | {format_duration(profile.cooldown_s)}"
            f" | {format_duration(profile.timeout_s)} |"
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page()))
