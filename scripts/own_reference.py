"""Write docs/reference/own.md from the docstrings of `ventil.own`.

`make docs` runs this; with --check it only says whether the page is current (exit 1 when
it is not).
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import is_dataclass
from enum import StrEnum
from pathlib import Path

from generated import write_or_check

from ventil import own

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "own.md"

HEAD = """\
<!-- Made by scripts/own_reference.py (make docs); change the docstrings in src/ventil
instead. -->

# `ventil.own`: jobs of your own

A job is declared in a Python program. This one, `stars.py`, asks one API for a number for each
record:

```python
import json

from ventil.own import OwnJob, Profile, Request, Response, Sample, Status, main

PROFILE = Profile(
    name="stars",
    title="A service that counts stars",
    base_url="http://127.0.0.1:8126",
    quotas=("5/s",),
    max_in_flight=2,
    cooldown_s=60.0,
    timeout_s=10.0,
    latency_s=0.1,
    wants_contact=False,
    etiquette=("What its pages say about limits, with the date.",),
)


def fetch(key, period, good):
    reply = yield Request(f"/stars/{key}")
    if not isinstance(reply, Response):
        return [Sample(key, Status.FAILED, detail=reply.detail)]
    if reply.status == 404:
        return [Sample(key, Status.UNKNOWN, detail="no such thing")]
    if reply.status != 200:
        return [Sample(key, Status.FAILED, detail=f"status {reply.status}")]
    return [Sample(key, Status.OK, int(json.loads(reply.body)["stars"]))]


if __name__ == "__main__":
    main(OwnJob(PROFILE, fetch, defers=False))
```

```
$ printf 'alpha\\nbeta\\n' > records.txt
$ python stars.py stars records.txt -o stars.jsonl
```

It writes a line of JSON for each record, and `stars.report.json` beside it. One that orders now
and collects hours later is on the page [collect later](../how-to/collect-later.md).
"""

TAIL = """
## What may go wrong

| what | what happens |
|---|---|
| two jobs of one name, or the name of a provider or command of Ventil's | `ValueError` when `main` is called: a fault of the program |
| a profile that is no good (a quota that is none, a URL with a secret) | said when a command needs it, exit 2 |
| a recipe that raises | its record has failed, with the error's name and words; the others go on |
| a recipe that yields `Token` or `Await` with `defers=False` | the same |
| an unreadable or empty file of records | said, exit 2 |

All else is as with the commands that Ventil ships with, [exit codes](commands.md#exit-codes) too.
"""  # noqa: E501 - a table row is one line

PARTS = {
    "The job": ("main", "OwnJob", "Profile", "judge_as_http_says"),
    "What a recipe is given": ("Period", "Good", "Interval"),
    "What it yields, and is sent": (
        *("Request", "Response", "Fault", "FaultKind", "Known", "Recall"),
        *("Token", "Issued", "Await", "Called", "TimeUp"),
    ),
    "What it returns": ("Sample", "Status", "Kept"),
    "What a judge says": ("Outcome", "Verdict", "RateHint"),
}


def signature(name: str) -> str:
    """How it is called, with types and defaults."""
    thing = getattr(own, name)
    if isinstance(thing, type) and issubclass(thing, StrEnum):
        return "\n".join([f"class {name}(StrEnum):"] + [f'    {m.name} = "{m}"' for m in thing])
    shown = inspect.signature(thing)
    words = []
    for parameter in shown.parameters.values():
        text = re.sub(r"Final\[(.*)\]$", r"\1", str(parameter.annotation))
        default = ""
        if parameter.default is not inspect.Parameter.empty:
            value = parameter.default
            default = f" = {value.__name__ if inspect.isfunction(value) else repr(value)}"
            if "factory" in default:
                default = " = {}"
        star = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else ""
        words.append(f"{star}{parameter.name}: {text}{default}")
    result = "" if is_dataclass(thing) else f" -> {shown.return_annotation}"
    if len(line := f"{name}({', '.join(words)}){result}") > 96:
        line = "\n".join([f"{name}(", *(f"    {word}," for word in words), f"){result}"])
    return line


def said(name: str) -> str:
    """Its docstring, as a page says it."""
    return inspect.getdoc(getattr(own, name)) or ""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, names in PARTS.items():
        parts.append(f"\n## {title}\n")
        for name in names:
            parts.append(f"\n### {name}\n\n```\n{signature(name)}\n```\n\n{said(name)}\n")
    return "".join(parts) + TAIL


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page()))
