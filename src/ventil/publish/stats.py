"""`stats.json` and `stats.report.json`: what is published, and what is said about it.

The first is what a Construct Hub front end reads:
`{"packages": {NAME: {"downloads": {"npm": N}}}, "updated": RFC 3339}`. The second names
every record that is not `ok`. Both are written whole to a temporary file beside their
place, flushed to the disk and renamed: a reader sees the old one or the new one. The report
comes second, so that its presence with a run's id says that the first is out too.

Records are streamed from the ledger to the file: memory does not grow with the catalogue.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import json
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ventil.core.fold import Counts, Published, counted
from ventil.core.model import Interval, Status
from ventil.crashpoint import crashpoint
from ventil.errors import OutputError
from ventil.publish.former import Former
from ventil.publish.replacing import create, replacing, temporary


@dataclass(frozen=True, slots=True)
class Heading:
    """What the report says of the run as a whole. Times are seconds since the epoch."""

    run: str
    job: str
    provider: str
    ecosystem: str
    period: str
    interval: Interval
    started_s: float
    finished_s: float
    settled_before: int
    requests: Mapping[str, int]
    waits_s: Mapping[str, float]
    suspended: str | None = None


def report_path(output: Path) -> Path:
    """Where the report of an artefact goes: `stats.report.json` beside `stats.json`."""
    return output.with_name(f"{output.stem}.report.json")


def check_output(output: Path) -> None:
    """Raise `OutputError` when the artefact could not be written there.

    A disk that is full now is no reason: it may have room when the run is over.
    """
    if not _is_text(output):
        raise OutputError(
            f"the path {str(output)!r} is not UTF-8", hint="choose another with -o"
        )
    place = Path(os.path.realpath(output))
    if os.path.isdir(place):  # unlike Path.is_dir, it holds for names of any length
        raise OutputError(
            f"{output} is a directory",
            hint=f"name a file in it: -o {output / 'stats.json'}",
        )
    folder = place.parent
    if not os.path.isdir(folder):
        raise OutputError(
            f"the folder {folder} does not exist", hint=f"mkdir -p {shlex.quote(str(folder))}"
        )
    for path in (place, report_path(place)):
        if os.path.exists(path) and not os.path.isfile(path):
            # A device or a pipe would be replaced by a file.
            raise OutputError(f"{path} is not a regular file", hint="choose another with -o")
        draft = temporary(path)
        try:
            os.close(create(draft))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                continue
            raise OutputError(
                f"the folder {folder} is not writable: {error.strerror}"
                if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
                else f"cannot write {path}: {error.strerror}",
                hint="the artefact is renamed into place: change the folder's permissions, "
                "or choose another place with -o",
            ) from error
        with contextlib.suppress(OSError):
            draft.unlink()


def publish_stats(output: Path, heading: Heading, records: Iterable[Published]) -> Counts:
    """Write both artefacts; returns the counts. Raises `PublishError`.

    *records* come in the order of the catalogue, once each. What they lack is carried from
    the same job's artefact that stands there. It is kept when there is no number to put in
    its place and records failed; the report is written.
    """
    output = Path(os.path.realpath(output))  # through a link, not over it

    def same_job(report: dict[str, Any]) -> bool:
        named = report["period"]["name"] == heading.period
        return named and list(report["requests"]) == [heading.provider]

    former = Former(output, report_path(output), heading.ecosystem, same_job)
    statuses: Counter[Status] = Counter()
    doubtful: list[Published] = []
    intervals: Counter[Interval] = Counter()

    def numbers() -> Iterator[tuple[str, int]]:
        covers: Interval | None = None
        ok = alike = 0  # nearly all are ok and cover the same days, whose hash is dear
        for record in records:
            if record.status is Status.OK:
                ok += 1
                if record.interval is not covers:
                    if covers is not None:
                        intervals[covers] += alike
                    covers, alike = record.interval, 0
                alike += 1
            else:
                record = former.carried(record)
                doubtful.append(record)
                statuses[record.status] += 1
            if record.value is not None:
                yield record.key, record.value
        statuses[Status.OK] += ok
        if covers is not None:
            intervals[covers] += alike

    def nothing_instead() -> bool:
        return output.exists() and has_nothing(counted(statuses))

    crashpoint("artefact.before")
    with replacing(output, unless=nothing_instead) as file:
        _write_stats(file, numbers(), heading)
    crashpoint("artefact.renamed")
    counts = counted(statuses, settled_before=heading.settled_before)
    interval = intervals.most_common(1)[0][0] if intervals else heading.interval
    with replacing(report_path(output)) as file:
        report = report_of(heading, counts, interval, doubtful)
        file.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    crashpoint("artefact.after")
    return counts


def has_nothing(counts: Counts) -> bool:
    """Whether no number is there to publish, because records failed."""
    return counts.ok == counts.carried == 0 and counts.missed > 0


def _write_stats(file: IO[str], numbers: Iterable[tuple[str, int]], heading: Heading) -> None:
    file.write('{"packages":{')
    comma = ""
    name = json.encoder.encode_basestring
    ecosystem = name(heading.ecosystem)
    entries = (f'{name(key)}:{{"downloads":{{{ecosystem}:{value}}}}}' for key, value in numbers)
    while part := ",".join(islice(entries, 1000)):
        file.write(comma + part)
        comma = ","
    file.write(f'}},"updated":"{rfc3339(heading.finished_s)}"}}\n')


def report_of(
    heading: Heading, counts: Counts, interval: Interval, doubtful: list[Published]
) -> dict[str, Any]:
    """What is said about a run; *interval* is what its answers cover."""
    report: dict[str, Any] = {
        "run": heading.run,
        "job": heading.job,
        "period": {
            "name": heading.period,
            "start": interval.start.isoformat(),
            "end": interval.end.isoformat(),
        },
        "started": rfc3339(heading.started_s),
        "finished": rfc3339(heading.finished_s),
        "counts": asdict(counts),
        "requests": {heading.provider: dict(heading.requests)},
        "limited_by": [
            {"provider": heading.provider, "reason": reason, "seconds": round(seconds, 3)}
            for reason, seconds in sorted(heading.waits_s.items(), key=lambda item: -item[1])
        ],
        "records": [
            {
                "key": record.key,
                "status": record.status.value,
                "detail": record.detail,
                "as_of": None if record.as_of_s is None else rfc3339(record.as_of_s),
            }
            for record in doubtful
        ],
    }
    if heading.suspended is not None:
        report["suspended"] = heading.suspended
    return report


def rfc3339(moment_s: float) -> str:
    """UTC with milliseconds, as 2026-11-21T02:16:00.000Z."""
    moment = dt.datetime.fromtimestamp(moment_s, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_text(path: Path) -> bool:
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        return False
    return True
