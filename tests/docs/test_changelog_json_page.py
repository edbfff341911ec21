"""The page about changelog.json names every field, and its example is one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/changelog-json.md").read_text(encoding="utf-8")
SCHEMA = json.loads(
    (ROOT / "src/ventil/changelog/document.schema.json").read_text(encoding="utf-8")
)


def test_every_field_is_on_the_page() -> None:
    """With its name as it is written in the JSON."""
    for part in SCHEMA["$defs"].values():
        for field in part["properties"]:
            assert f"`{field}`" in PAGE, field


def test_the_example_fits_the_schema() -> None:
    """And holds every field of the document and its release."""
    (block,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
    example = json.loads(block)
    jsonschema.Draft202012Validator(SCHEMA).validate(example)
    assert set(example) == set(SCHEMA["$defs"]["Document"]["properties"])
    assert set(example["releases"][0]) == set(SCHEMA["$defs"]["ReleaseEntry"]["properties"])
