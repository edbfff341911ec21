"""The registries' base URLs are those of the user's own clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from ventil.config.registries import npm_registry, pypi


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home without anything in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def environ(home: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of this machine is read."""
    nothing = str(home / "nothing")
    return {
        "HOME": str(home),
        "NPM_CONFIG_GLOBALCONFIG": nothing,
        "VIRTUAL_ENV": nothing,
        "XDG_CONFIG_DIRS": nothing,
        **more,
    }


def test_npm_reads_the_nearest_place(home: Path, tmp_path: Path) -> None:
    """Environment, project, user: each goes before the next."""
    assert npm_registry(environ(home), tmp_path).startswith("https://")
    (home / ".npmrc").write_text("; mine\nregistry = https://mirror.example/npm/\n")
    assert npm_registry(environ(home), tmp_path) == "https://mirror.example/npm"
    (tmp_path / ".npmrc").write_text("@a:registry=https://no.example\nregistry=${WHERE}\n")
    here = environ(home, WHERE="https://project.example")
    assert npm_registry(here, tmp_path) == "https://project.example"
    assert npm_registry({**here, "npm_config_registry": "http://127.0.0.1:9/"}, tmp_path) == (
        "http://127.0.0.1:9"
    )


def test_pip_and_uv_are_read(home: Path, tmp_path: Path) -> None:
    """Their variables, then pip's files; the path of the simple index is left out."""
    assert pypi(environ(home), tmp_path).startswith("https://")
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://u:secret@mirror.example/pypi/simple/\n"
    )
    assert pypi(environ(home), tmp_path) == "https://mirror.example/pypi"
    given = environ(home, PIP_INDEX_URL="https://pip.example/simple")
    assert pypi(given, tmp_path) == "https://pip.example"
    given["UV_DEFAULT_INDEX"] = "corp=https://uv.example/simple"
    assert pypi(given, tmp_path) == "https://uv.example"


@pytest.mark.parametrize("text", ["registry=", "registry=nonsense", "\0\xff", "[x"])
def test_what_cannot_be_read_is_passed_over(home: Path, tmp_path: Path, text: str) -> None:
    """As npm and pip do."""
    usual = npm_registry(environ(home), tmp_path), pypi(environ(home), tmp_path)
    (home / ".npmrc").write_text(text, "latin-1")
    (home / ".pip").mkdir()
    (home / ".pip" / "pip.conf").write_text(text, "latin-1")
    assert (npm_registry(environ(home), tmp_path), pypi(environ(home), tmp_path)) == usual
