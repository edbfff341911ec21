"""From a job to a run: resume the one that was not finished, or plan a new one."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ventil.core.model import Interval
from ventil.core.period import Period
from ventil.core.plan import Plan, plan
from ventil.crashpoint import crashpoint
from ventil.ports import ChunkRow, Recipe, Run, RunState, Store


@dataclass(frozen=True, slots=True)
class Job:
    """What a user asked for: the records, the API, the period and the artefact's place.

    `name` says it in words. `series` names what values are comparable with: provider key
    and period. `tolerate` is the share of records (0 to 1) that may lack an answer. `urgent`:
    a person waits for it.
    """

    name: str
    provider_key: str
    series: str
    keys: Sequence[str]
    period: Period
    output: str
    refresh: bool
    tolerate: float
    chunk_size: int
    urgent: bool = False

    @property
    def fingerprint(self) -> str:
        """Equal for the same command on the same catalogue and day, and for nothing else."""
        digest = hashlib.sha256()
        for part in (self.name, self.series, str(self.period.today), str(self.refresh)):
            digest.update(part.encode() + b"\0")
        for key in self.keys:
            digest.update(key.encode("utf-8", "surrogatepass") + b"\n")
        return digest.hexdigest()


def plan_job(job: Job, store: Store | None, recipe: Recipe) -> Plan:
    """The plan of a job given what the ledger has settled (None: there is no ledger yet)."""
    settled: set[str] = set()
    if store is not None and not job.refresh:
        settled = store.settled(job.series, str(job.period.today), job.keys)
    return plan(
        job.keys,
        batches=recipe.batches,
        settled=settled,
        chunk_size=job.chunk_size,
    )


def prepare(job: Job, store: Store, recipe: Recipe, now_s: float) -> tuple[Run, bool]:
    """The run to execute, and whether it is a resumed one.

    An unfinished run of the same job on the same catalogue is resumed; one of the same job
    on another catalogue, or of another day, is superseded by the new run, which asks for
    nothing that the old one has settled.
    """
    unfinished = store.find_resumable(job.name)
    for run in unfinished:
        if run.fingerprint == job.fingerprint:
            store.update_run(
                run.id,
                state=RunState.RUNNING,
                cancel=False,
                tolerate=job.tolerate,
                message="",
                urgent=job.urgent,
            )
            return run, True
    made = plan_job(job, store, recipe)
    run = Run(
        id=_new_id(now_s),
        job=job.name,
        fingerprint=job.fingerprint,
        state=RunState.RUNNING,
        provider=job.provider_key,
        series=job.series,
        period=job.period.name,
        interval=Interval(job.period.interval.start, job.period.interval.end),
        day=str(job.period.today),
        output=job.output,
        refresh=job.refresh,
        tolerate=job.tolerate,
        created_s=now_s,
        finished_s=None,
        records=made.records + made.settled,
        settled_before=made.settled,
        urgent=job.urgent,
    )
    crashpoint("run.before")
    store.create_run(
        run,
        job.keys,
        (
            ChunkRow(c.index, tuple(batch.keys for batch in c.batches), 0, 0, False, now_s)
            for c in made.chunks
        ),
    )
    crashpoint("run.after")
    for old in unfinished:
        store.update_run(old.id, state=RunState.SUPERSEDED, message=f"by run {run.id}")
    return run, False


def _new_id(now_s: float) -> str:
    """Sorts by time and is typed easily: 20261121-021600-7f3a."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_s))
    return f"{stamp}-{secrets.token_hex(2)}"
