"""One package, looked up now for a person. Of it nothing is stored; of the limits, all is."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ventil.adapters.sql import SqlStore, open_store
from ventil.changelog.document import Document, decode
from ventil.changelog.finder import Finding, Package, Remembered
from ventil.changelog.recipe import document_of, key_of
from ventil.engine.door import Door
from ventil.engine.fetch import Fetcher
from ventil.engine.gate import Gate, Patience
from ventil.engine.ledger import LedgerWriter
from ventil.engine.run import Party
from ventil.errors import Suspended
from ventil.ports import Clock, Reporter, Store, Workbench
from ventil.wiring.changelogs import Changelogs, period_of
from ventil.wiring.execution import locked
from ventil.wiring.paced import visit
from ventil.wiring.parties import parties_of
from ventil.wiring.workshop import Workshop


async def look_up(
    workshop: Workshop, package: Package, reporter: Reporter, *, max_wait_s: float
) -> Document:
    """The document of *package* as a run would make it, with what was tried.

    Waits for another process that works on the same state, and for a provider, up to
    *max_wait_s*; then raises Busy or Suspended.
    """
    lock = await locked(workshop, f"a look at {package.purl}", max_wait_s, reporter)
    store = workshop.store()
    try:
        async with (
            Changelogs().workbench() as workbench,
            _company(workshop, store, reporter) as company,
        ):
            return await _looked(workshop, package, company, workbench, max_wait_s)
    finally:
        store.close()
        lock.release()


@dataclass(frozen=True, slots=True)
class _Company:
    """Whom a look asks, and at whose pace.

    `books` keeps what the governors know. `on_grant` is given what to call when those who
    wait may look again.
    """

    parties: Sequence[Party]
    clock: Clock
    books: Store
    on_grant: Callable[[Callable[[], None]], None]


@contextlib.asynccontextmanager
async def _company(
    workshop: Workshop, store: SqlStore, reporter: Reporter
) -> AsyncIterator[_Company]:
    """That of this process alone; on a shared database that of all workers together."""
    names = Changelogs().providers
    parties = parties_of(workshop, names, store, reporter)
    if not workshop.shared:
        yield _Company(parties, workshop.clock, store, lambda _: None)
        return
    look = f"look-{secrets.token_hex(4)}"  # in a run's place
    async with visit(workshop, names, reporter.note) as (pacing, books):
        leases = pacing.leases

        def on_grant(call: Callable[[], None]) -> None:
            for each in leases.values():
                each.on_grant(look, call)

        paced = [
            replace(party, governor=leases[party.key].governor(look, urgent=True))
            for party in parties
        ]
        try:
            yield _Company(paced, pacing.clock, books, on_grant)
        finally:
            for each in leases.values():
                each.finished(look)


async def _looked(
    workshop: Workshop,
    package: Package,
    company: _Company,
    workbench: Workbench,
    max_wait_s: float,
) -> Document:
    kind, clock = Changelogs(), company.clock
    patience = Patience(max_wait_s, workshop.settings.run.reach_within_s)
    doors: dict[str, Door] = {}
    for party in company.parties:

        def stop(error: Exception, name: str = party.api.name) -> None:
            if isinstance(error, Suspended):
                doors[name].gate.turn_away(error)

        gate = Gate(
            party.key, party.governor, clock, company.books, patience=patience, stop=stop
        )
        company.on_grant(gate.check)
        tries = workshop.settings.run.tries
        door = Door(party.api, party.transport, gate, clock, tries=tries)
        doors[party.api.name] = door
    recipe = kind.recipe(workshop)
    findings: list[Finding] = []
    today = dt.datetime.fromtimestamp(clock.now_s(), dt.UTC).date()
    with tempfile.TemporaryDirectory() as folder:
        nowhere = open_store(f"sqlite:///{folder}/look.sqlite")
        ledger = LedgerWriter(
            nowhere, series="look", day=str(today), run_id="look", written=lambda samples: None
        )
        fetcher = Fetcher(
            recipe=replace(recipe, search=_noting(recipe.search, findings)),
            doors=doors,
            ledger=ledger,
            clock=clock,
            period=period_of("day", today),
            workbench=workbench,
        )
        try:
            async with asyncio.timeout(max_wait_s + _ALLOWANCE_S):
                [(sample, _)] = await fetcher.batch([key_of(package)], {})
        except TimeoutError:
            raise Suspended(
                f"{package.purl}: no answer within {max_wait_s + _ALLOWANCE_S:g} s",
                hint="a provider may be paused: ventil providers list",
            ) from None
        finally:
            nowhere.close()
            for door in doors.values():
                door.gate.close()
                await door.close()
                door.gate.save()
    if sample.kept is not None and sample.kept.body is not None:
        return decode(sample.kept.body)
    return document_of(findings[-1], why=sample.detail, status="failed")


_ALLOWANCE_S = 60.0
"""Seconds that the answers themselves may take, beyond the wait for permits."""


def _noting(search: Any, findings: list[Finding]) -> Any:
    """*search*, whose findings are noted as well."""

    def noted(package: Package, remembered: Remembered | None) -> Any:
        finding = yield from search(package, remembered)
        findings.append(finding)
        return finding

    return noted
