"""The settings reference says what the code does, and the examples in the docs work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ventil import providers
from ventil.config import load_settings
from ventil.config.layers import dotted, variable
from ventil.config.load import known_keys

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "reference" / "settings.md"
PROFILES = providers.profiles()


def pages() -> list[Path]:
    """Every page that a user may copy an example from."""
    return [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_page_is_current() -> None:
    """`make docs` was run after the last change of a setting or a profile."""
    script = ROOT / "scripts" / "settings_reference.py"
    checked = subprocess.run(
        [sys.executable, script, "--check"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_setting_appears_with_its_variable() -> None:
    """Each key of each table has a heading, and the variable it is set with."""
    text = PAGE.read_text(encoding="utf-8")
    for key in known_keys(list(providers.names())[:1]):
        name = f"providers.NAME.{key[-1]}" if key[0] == "providers" else dotted(key)
        assert f"### `{name}`" in text
        assert f"`{variable(key)}`" in text


EXAMPLES = [
    pytest.param(block, id=f"{path.relative_to(ROOT)}:{number}")
    for path in pages()
    for number, block in enumerate(
        re.findall(r"^```toml\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S), 1
    )
    if re.search(r"^\[(run|providers)", block, re.M)
]


@pytest.mark.parametrize("block", EXAMPLES)
def test_every_example_file_in_the_docs_is_accepted(block: str, tmp_path: Path) -> None:
    """What the docs show as ventil.toml loads with the shipped providers."""
    (tmp_path / "ventil.toml").write_text(block, encoding="utf-8")
    load_settings(flags={}, environ={}, cwd=tmp_path, profiles=PROFILES)


def test_every_variable_in_the_docs_is_a_setting() -> None:
    """No page names a VENTIL_ variable that is not read."""
    known = {variable(key) for key in known_keys(PROFILES)} | {"VENTIL_CRASH_AT"}
    for path in pages():
        for name in re.findall(r"\bVENTIL_[A-Z0-9_]+\b", path.read_text(encoding="utf-8")):
            assert name in known, f"{path.relative_to(ROOT)}: {name}"
