"""Which registries the user's own package clients ask: npm's and PyPI's base URLs.

Their hosts stand in no file of this project: a machine behind a mirror has npm and pip
configured for it, and what they are not to ask, we are not to ask. Where nothing is
configured, the default is what an installed library knows (packageurl-python, `purl2url`).

npm reads, nearest first: the environment (`npm_config_registry`, in any case), the
project's `.npmrc`, the user's (`NPM_CONFIG_USERCONFIG` or `~/.npmrc`), the global one
(docs.npmjs.com, npmrc and config, read 2026-11). pip reads: `PIP_INDEX_URL`, then its files
(`PIP_CONFIG_FILE`; the virtual environment's, the user's, the machine's `pip.conf`), keys
`index-url` in `[global]` (pip.pypa.io/topics/configuration, read 2026-11). uv reads
`UV_DEFAULT_INDEX`, `UV_INDEX_URL` (docs.astral.sh/uv/reference/environment, read 2026-11).
Their credentials are not taken over: nothing here reads a token, and a password in such a
URL is left out.
"""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

_LONGEST_FILE = 1024 * 1024
_VARIABLE = re.compile(r"\$\{(\w{1,100})\}")


def npm_registry(environ: Mapping[str, str], cwd: Path) -> str:
    """The base URL of the npm registry, without a slash at the end."""
    for name, value in environ.items():
        if name.lower() == "npm_config_registry" and (url := _base(value)):
            return url
    for path in _npmrc_files(environ, cwd):
        if url := _base(_from_npmrc(path, environ)):
            return url
    from packageurl.contrib.purl2url import get_download_url

    return _origin(str(get_download_url("pkg:npm/a@1")))  # type: ignore[no-untyped-call]


def pypi(environ: Mapping[str, str], cwd: Path) -> str:
    """The base URL of PyPI or its mirror, without `/simple` or a slash at the end."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if url := _index_base(environ.get(name, "").rpartition("=")[2]):
            return url
    for path in _pip_files(environ):
        if url := _index_base(_from_pip(path)):
            return url
    from packageurl.contrib.purl2url import get_repo_url

    return _origin(str(get_repo_url("pkg:pypi/a")))  # type: ignore[no-untyped-call]


def _npmrc_files(environ: Mapping[str, str], cwd: Path) -> Iterator[Path]:
    yield cwd / ".npmrc"
    user = environ.get("NPM_CONFIG_USERCONFIG") or environ.get("npm_config_userconfig")
    home = _home(environ)
    if user:
        yield Path(user)
    elif home is not None:
        yield home / ".npmrc"
    everyone = environ.get("NPM_CONFIG_GLOBALCONFIG") or environ.get("npm_config_globalconfig")
    prefix = environ.get("PREFIX")
    if everyone:
        yield Path(everyone)
    elif prefix:
        yield Path(prefix) / "etc" / "npmrc"
    else:
        yield from (Path("/usr/local/etc/npmrc"), Path("/usr/etc/npmrc"), Path("/etc/npmrc"))


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == "/dev/null":
        return
    if chosen:
        yield Path(chosen)
    yield Path(environ.get("VIRTUAL_ENV") or sys.prefix) / "pip.conf"
    home = _home(environ)
    if home is not None:
        configured = environ.get("XDG_CONFIG_HOME")
        yield (Path(configured) if configured else home / ".config") / "pip" / "pip.conf"
        yield home / "Library" / "Application Support" / "pip" / "pip.conf"
        yield home / ".pip" / "pip.conf"
    for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"):
        if folder:
            yield Path(folder) / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")


def _home(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("HOME") or environ.get("USERPROFILE")
    return Path(home) if home else None


def _from_npmrc(path: Path, environ: Mapping[str, str]) -> str:
    """The value of `registry`; "" when there is none. `${NAME}` is replaced, as npm does."""
    found = ""
    for line in _text(path).splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip() == "registry":  # not "@scope:registry", which is its own
            found = value.strip().strip("\"'")
    return _VARIABLE.sub(lambda match: environ.get(match[1], ""), found)


def _from_pip(path: Path) -> str:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(_text(path))
        for section in ("download", "global"):
            for key in ("index-url", "index_url"):
                if parser.has_option(section, key):
                    return parser.get(section, key)
    except configparser.Error:
        return ""
    return ""


def _text(path: Path) -> str:
    """The file's text; "" when it cannot be read: pip and npm pass over it too."""
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_FILE).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _base(url: str) -> str:
    """The URL without credentials and the slash at its end; "" when it is none."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    place = f"{host}:{port}" if port is not None else host
    return f"{parts.scheme}://{place}{parts.path}".rstrip("/")


def _index_base(url: str) -> str:
    base = _base(url)
    return base.removesuffix("/simple")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
