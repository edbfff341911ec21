"""Publishes a changelog run: each package's document, and a report of what is missing."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from ventil.adapters.sql import SqlStore
from ventil.changelog.document import Document, PackageId, decode
from ventil.changelog.recipe import package_in
from ventil.changelog.render.pages import Site
from ventil.changelog.rendering import payload, rendered
from ventil.core.fold import NOT_FETCHED, Counts, Published, count
from ventil.core.model import Kept, Sample, Status
from ventil.errors import WorkbenchError
from ventil.ports import Run, Workbench
from ventil.publish.changelogs import (
    is_current,
    publish_index,
    publish_package,
    to_publish,
)
from ventil.publish.replacing import replacing
from ventil.publish.stats import rfc3339

REPORT = "report.json"

_SIDE_BY_SIDE = 8
"""Packages that are rendered, or wait to be, at the same time."""


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


async def publish_site(
    run: Run,
    store: SqlStore,
    tallies: Mapping[str, Any],
    workbench: Workbench | None,
    *,
    site: Site,
    now_s: float,
    suspended: str | None,
) -> Counts:
    """Write what has changed since the last time, the index, and the report; the counts.

    What cannot be rendered within the limits keeps its former pages, and is counted as
    failed.
    """
    output = Path(run.output)
    records: dict[str, Published] = {}
    todo = ready(run, store)

    async def work() -> None:
        for one in todo:
            records[one.record.key] = one.record
            records[one.record.key] = await _publish(output, one, site, workbench)

    async with asyncio.TaskGroup() as group:
        for _ in range(_SIDE_BY_SIDE):
            group.create_task(work())
    publish_index(output, site)
    counts = count(records.values(), settled_before=run.settled_before)
    report = _report(run, counts, list(records.values()), tallies, now_s, suspended)
    with replacing(output / REPORT) as file:
        file.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    return counts


async def _publish(
    output: Path, one: Ready, site: Site, workbench: Workbench | None
) -> Published:
    """Write one package's folder; what is said of it then."""
    document = to_publish(output, one.document)
    if is_current(output, document, site):
        return one.record
    files = None
    if workbench is not None:
        try:
            made = await workbench.run("changelog.render", payload(document, site))
        except WorkbenchError as error:
            return replace(one.record, status=Status.FAILED, detail=error.message)
        files = rendered(made)
    publish_package(output, document, site, files)
    return one.record


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
