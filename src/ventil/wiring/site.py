"""Publishes a changelog run: each package's document, and a report of what is missing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from ventil.adapters.sql import SqlStore
from ventil.changelog.document import Document, PackageId, decode, encode
from ventil.changelog.recipe import package_in
from ventil.core.fold import NOT_FETCHED, Counts, Published, count
from ventil.core.model import Kept, Sample, Status
from ventil.errors import OutputError
from ventil.ports import Run, Workbench
from ventil.publish.replacing import replacing
from ventil.publish.stats import rfc3339

REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Ready:
    """A package ready to be published: what is said of it, and its document."""

    record: Published
    document: Document


def ready(run: Run, store: SqlStore) -> Iterator[Ready]:
    """Every package of a run, in the order of its catalogue."""
    for key, entry, _ in store.entries(run.series, run.day, store.run_keys(run.id)):
        kept = store.kept(run.series, package_in(key).purl)
        yield fold(key, entry.sample if entry else None, kept)


def fold(key: str, sample: Sample | None, kept: Kept | None) -> Ready:
    """What is published of a package, given this period's sample and what is kept of it.

    A failure never wipes a document: what stands is carried, with its age.
    """
    document = None
    if kept is not None and kept.body is not None:
        moment = dt.datetime.fromtimestamp(kept.at_s, dt.UTC)
        document = msgspec.structs.replace(decode(kept.body), fetched_at=moment)
    if sample is not None and sample.status.settles and document is not None:
        return Ready(
            Published(key, sample.status, sample.value, detail=sample.detail), document
        )
    why = NOT_FETCHED if sample is None else sample.detail
    if document is not None and kept is not None:
        record = Published(
            key, Status.CARRIED, len(document.releases), as_of_s=kept.at_s, detail=why
        )
        return Ready(record, msgspec.structs.replace(document, status="carried", why=why))
    package = package_in(key)
    about = PackageId(purl=package.purl, ecosystem=package.ecosystem, name=package.name)
    return Ready(
        Published(key, Status.FAILED, detail=why),
        Document(package=about, status="failed", why=why),
    )


def check_site(output: Path) -> None:
    """Raise OutputError when the site could not be written to the folder *output*."""
    if output.exists() and not output.is_dir():
        raise OutputError(
            f"{output} is not a folder", hint="the site is a folder: choose another with -o"
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe = output / ".ventil-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"cannot write to the folder {output}: {error.strerror or error}",
            hint="change its permissions, or choose another with -o",
        ) from error


async def publish_site(
    run: Run,
    store: SqlStore,
    tallies: Mapping[str, Any],
    workbench: Workbench | None,
    *,
    now_s: float,
    suspended: str | None,
) -> Counts:
    """Write what has changed since the last time, and the report; the counts."""
    output = Path(run.output)
    records = []
    for one in ready(run, store):
        records.append(one.record)
        _write_document(output, one.document)
    counts = count(records, settled_before=run.settled_before)
    report = _report(run, counts, records, tallies, now_s, suspended)
    with replacing(output / REPORT) as file:
        file.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    return counts


def _write_document(output: Path, document: Document) -> None:
    place = output / "json" / document.package.ecosystem / f"{document.package.name}.json"
    data = encode(document)
    if place.exists() and place.read_bytes() == data:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with replacing(place) as file:
        file.write(data.decode())


def _report(
    run: Run,
    counts: Counts,
    records: Sequence[Published],
    tallies: Mapping[str, Any],
    now_s: float,
    suspended: str | None,
) -> dict[str, Any]:
    """What `stats.report.json` says, of several providers."""
    parties: Mapping[str, Any] = tallies.get("providers", {})
    waits = [
        {"provider": name, "reason": reason, "seconds": seconds}
        for name, tally in parties.items()
        for reason, seconds in tally["waits_s"].items()
    ]
    report: dict[str, Any] = {
        "run": run.id,
        "job": run.job,
        "period": {
            "name": run.period,
            "start": run.interval.start.isoformat(),
            "end": run.interval.end.isoformat(),
        },
        "started": rfc3339(run.created_s),
        "finished": rfc3339(now_s),
        "counts": asdict(counts),
        "requests": {name: tally["requests"] for name, tally in parties.items()},
        "limited_by": sorted(waits, key=lambda wait: -float(wait["seconds"])),
        "records": [
            {
                "key": record.key,
                "status": record.status.value,
                "detail": record.detail,
                "as_of": None if record.as_of_s is None else rfc3339(record.as_of_s),
            }
            for record in records
            if record.status is not Status.OK
        ],
    }
    if suspended is not None:
        report["suspended"] = suspended
    return report
