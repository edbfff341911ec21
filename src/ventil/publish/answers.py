"""The answers of a job of one's own as JSON lines, and what is said about them.

One line a record, in the order of the list: `{"key", "status", "value", "detail", "as_of",
"body"}`. `body` is what was kept of the record: as JSON where it is JSON, else as text, with
U+FFFD for what is no UTF-8. The report beside it is that of `stats.json`. Both are written
beside their place and renamed.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ventil.core.fold import Counts, Published, counted
from ventil.core.model import Status
from ventil.crashpoint import crashpoint
from ventil.publish.replacing import replacing
from ventil.publish.stats import Heading, has_nothing, report_of, report_path, rfc3339


@dataclass(frozen=True, slots=True)
class Answer:
    """A record as it is published, and what was kept of it; None: nothing was."""

    record: Published
    body: bytes | None


def publish_answers(output: Path, heading: Heading, answers: Iterable[Answer]) -> Counts:
    """Write both; returns the counts. Raises `PublishError`.

    A former artefact is kept when there is nothing to put in its place and records failed.
    """
    output = Path(os.path.realpath(output))
    statuses: Counter[Status] = Counter()
    doubtful: list[Published] = []
    crashpoint("artefact.before")
    with replacing(
        output, unless=lambda: output.exists() and has_nothing(counted(statuses))
    ) as file:
        for answer in answers:
            record = answer.record
            statuses[record.status] += 1
            if record.status is not Status.OK:
                doubtful.append(record)
            file.write(json.dumps(_line(answer), ensure_ascii=False) + "\n")
    crashpoint("artefact.renamed")
    counts = counted(statuses, settled_before=heading.settled_before)
    with replacing(report_path(output)) as file:
        report = report_of(heading, counts, heading.interval, doubtful)
        file.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    crashpoint("artefact.after")
    return counts


def _line(answer: Answer) -> dict[str, Any]:
    record = answer.record
    published = record.status in (Status.OK, Status.CARRIED)
    return {
        "key": record.key,
        "status": record.status.value,
        "value": record.value,
        "detail": record.detail,
        "as_of": None if record.as_of_s is None else rfc3339(record.as_of_s),
        "body": _readable(answer.body) if published else None,
    }


def _readable(body: bytes | None) -> Any:
    if body is None:
        return None
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
