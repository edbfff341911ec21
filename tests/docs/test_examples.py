"""The Python that a page shows runs."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

from ventil.core.period import Period

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/how-to/describe-a-provider.md"


def test_the_example_recipe_runs() -> None:
    """As it stands on the page, with a period of the reader's own."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    names: dict[str, Any] = {"period": Period.parse("last-week", today=dt.date(2026, 11, 21))}
    for block in blocks:
        exec(block, names)  # noqa: S102 - our own page
    assert names["driven"].by_key["left-pad"].value == 7
