"""Where settings are written: flags, environment variables and TOML files.

Each layer is read into flat `Given` values that remember their place, so that a fault can
name it and `ventil doctor` can say where every value came from. Nothing is checked here
beyond a file's syntax.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ventil.errors import SettingError

Key = tuple[str, ...]
"""("database_url",), ("run", NAME) or ("providers", PROVIDER, NAME)."""

PREFIX = "VENTIL_"
FILE_NAME = "ventil.toml"

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_NAME = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*\[\[?[ \t]*({_NAME})[ \t]*\]")
_LINE = re.compile(rf"[ \t]*({_NAME})[ \t]*=")


@dataclass(frozen=True, slots=True)
class Given:
    """One value as somebody wrote it. `origin` is the place, in words for people."""

    key: Key
    value: object
    origin: str


def dotted(key: Key) -> str:
    """The key as it is written in a TOML file."""
    return ".".join(key)


def variable(key: Key) -> str:
    """The environment variable of a key: ``VENTIL_PROVIDERS__NPM_DOWNLOADS__BASE_URL``."""
    return PREFIX + "__".join(part.replace("-", "_").upper() for part in key)


def from_flags(flags: Mapping[str, object]) -> Iterator[Given]:
    """Values of the command line by dotted key; None means that the flag was not given."""
    for name, value in flags.items():
        if value is not None:
            yield Given(tuple(name.split(".")), value, "the command line")


def from_environ(environ: Mapping[str, str], ignored: frozenset[str]) -> Iterator[Given]:
    """Every ``VENTIL_*`` variable that is not empty; the key is still in its spelling there.

    `ignored` are variables that are no settings.
    """
    for name, value in sorted(environ.items()):
        if name.startswith(PREFIX) and name not in ignored and value.strip():
            parts = name.removeprefix(PREFIX).lower().split("__")
            yield Given(tuple(parts), value, f"the environment variable {name}")


def user_file(environ: Mapping[str, str]) -> Path | None:
    """The user's own file, None when there is no place for one.

    An XDG_CONFIG_HOME that is not absolute counts as not set (XDG Base Directory
    Specification 0.8).
    """
    base = environ.get("XDG_CONFIG_HOME", "")
    if base.startswith("/"):
        return Path(base) / "ventil" / FILE_NAME
    home = environ.get("HOME", "")
    return Path(home) / ".config" / "ventil" / FILE_NAME if home.startswith("/") else None


def from_file(path: Path, shown: str, *, required: bool) -> Iterator[Given]:
    """The values of a TOML file, each with its line; nothing when it need not be there.

    Raises `SettingError` when the file cannot be read, or is not TOML in UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        tree = tomllib.loads(text)
    except FileNotFoundError:
        if required:
            raise SettingError(f"{shown}: there is no such settings file") from None
        return
    except NotADirectoryError:
        if required:
            raise SettingError(f"{shown}: there is no such settings file") from None
        return
    except OSError as error:
        raise SettingError(
            f"{shown}: the settings file cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError as error:
        raise SettingError(
            f"{shown}: the settings file is not UTF-8 (byte {error.start})",
            hint="save it as UTF-8",
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingError(f"{shown}: is not TOML: {error or 'nested too deep'}") from None
    lines = _lines(text)
    for key, value in _leaves(tree, ()):
        line = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)
        yield Given(key, value, shown if line is None else f"{shown} line {line}")


def _leaves(tree: Mapping[str, object], above: Key) -> Iterator[tuple[Key, object]]:
    """Values by full key. An empty table is a leaf too: its name may be a wrong one."""
    for name, value in tree.items():
        key = (*above, name)
        if isinstance(value, dict) and value:
            yield from _leaves(value, key)
        else:
            yield key, value


def _lines(text: str) -> dict[Key, int]:
    """The line on which each table and key stands, as far as a plain reading finds it."""
    lines: dict[Key, int] = {}
    table: Key = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            lines.setdefault(table, number)
        elif found := _LINE.match(line):
            lines.setdefault((*table, *_parts(found[1])), number)
    return lines


def _parts(name: str) -> Key:
    return tuple(part.strip("\"'") for part in re.findall(_PART, name))
