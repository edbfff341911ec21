"""Write src/ventil/changelog/document.schema.json from the data model.

`make docs` runs this; with --check it only says whether the file is current (exit 1 when
it is not).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
from generated import write_or_check

from ventil.changelog.document import FORMAT, Document

FILE = Path(__file__).resolve().parent.parent / "src/ventil/changelog/document.schema.json"


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a published `changelog.json`."""
    (root,), parts = msgspec.json.schema_components([Document], ref_template="#/$defs/{name}")
    document = parts["Document"]
    document["properties"]["format"] = {"const": FORMAT, "description": "Version of this form."}
    document["required"] = sorted({*document["required"], "format", "releases"})
    span = parts["ReleaseEntry"]["properties"]["span"]
    span["items"] = False
    span["prefixItems"] = [{"type": "integer", "minimum": 0}] * 2
    for part in parts.values():
        part["description"] = " ".join(part["description"].split("\n\n")[0].split())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:ventil:changelog-document:{FORMAT}",
        "title": "A package's changelog",
        **root,
        "$defs": dict(sorted(parts.items())),
    }


if __name__ == "__main__":
    sys.exit(write_or_check(FILE, json.dumps(schema(), indent=2) + "\n"))
