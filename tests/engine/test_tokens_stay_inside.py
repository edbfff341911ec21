"""Whatever a provider repeats and a recipe reports: no task token leaves by it."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from engine_bench import GateBench, policy_of

from orders import ORDERS
from ventil.adapters.sql import SqlStore, open_store
from ventil.core.exchange import (
    Await,
    Called,
    Fault,
    FaultKind,
    Known,
    Reply,
    Request,
    Response,
    Steps,
    Token,
    Verdict,
)
from ventil.core.masks import without_addresses
from ventil.core.model import Good, Kept, Sample, Status
from ventil.core.period import Period
from ventil.engine.deferred import Deferrals
from ventil.engine.door import Door
from ventil.engine.fetch import Fetcher
from ventil.engine.ledger import LedgerWriter
from ventil.own import OwnJob, Profile
from ventil.ports import ChunkRow
from ventil.testing import PlainProvider, ScriptedTransport

BASE = "https://hooks.example.org/callbacks"
PERIOD = Period.parse("last-week", today=dt.date(2026, 11, 21))
TOKEN = "Aa0_-" * 8 + "xyz"


def every_way(url: str) -> str:
    """An address as texts of all kinds hold it."""
    json_says = url.replace("/", r"\/")
    return " ".join([url, json_says, repr(json_says), quote(url, safe=""), url.upper()[:20]])


@dataclass(frozen=True)
class Leaky(PlainProvider):
    """Orders, awaits, and says all it has heard; `ends` makes of that what it likes."""

    ends: Callable[[str], Sequence[Sample]] = lambda said: []

    def fetch(self, keys: Sequence[str], period: Period, good: Mapping[str, Good], /) -> Steps:
        """The recipe."""
        token = yield Token()
        order = Request(f"/orders?to={token.url}", method="POST", body=token.url.encode())
        reply = yield order
        told = reply.detail if isinstance(reply, Fault) else reply.body.decode()
        yield Known([Sample(keys[0], Status.SUSPECT, 1, detail=f"ordered: {told}")])
        answer = yield Await(token, within_s=3600.0)
        come = answer.body.decode() if isinstance(answer, Called) else repr(answer)
        return self.ends(f"{told} and {come} {every_way(token.url)}")


class Bench:
    """A record that is looked at as often as wanted, with tokens of its own each time."""

    def __init__(self, folder: Path, ends: Callable[[str], Sequence[Sample]]) -> None:
        self.path = folder / "state.sqlite"
        self.store: SqlStore = open_store(f"sqlite:///{self.path}")
        self.store.create_run(ORDERS, ["a"], [ChunkRow(0, (("a",),), 0, 0, False, 1.0)])
        self.ends = ends
        self.tokens: list[str] = []
        self.found: list[tuple[Sample, str]] = []

    def _reply(self, request: Request) -> Reply:
        address = (request.body or b"").decode()
        self.tokens.append(address.rpartition("/")[2])
        return Response(202, {"Location": address}, every_way(address).encode())

    async def look(self, reply: Callable[[Request], Reply] | None = None) -> None:
        """One look at the record, by a process of its own."""
        bench = GateBench(policy_of())
        provider = Leaky(ends=self.ends)
        door = Door(
            provider, ScriptedTransport(reply or self._reply), bench.gate, bench.clock, tries=1
        )
        ledger = LedgerWriter(
            self.store, series="s", day=ORDERS.day, run_id="r1", written=lambda _: None,
            journaled=True,
        )  # fmt: skip
        deferrals = Deferrals(self.store, "r1", bench.clock, callbacks=BASE, waits_here=True)
        fetcher = Fetcher(
            recipe=provider, doors={provider.name: door}, ledger=ledger, clock=bench.clock,
            period=PERIOD, deferrals=deferrals,
        )  # fmt: skip
        self.found += await fetcher.batch(("a",), {})
        await fetcher.stored()

    def call_back(self) -> None:
        """The provider answers, and repeats the address."""
        from ventil.engine.deferred import digest_of

        body = f"the answer to {every_way(f'{BASE}/{self.tokens[0]}')}".encode()
        self.store.call(digest_of(self.tokens[0]), body, "", 2.0)

    def said(self) -> str:
        """All that has left, and all that is stored but what the provider itself has sent."""
        self.store.close()
        with closing(sqlite3.connect(self.path)) as db:
            db.execute("UPDATE task_token SET body = NULL")
            steps = b"".join(row[0] for row in db.execute("SELECT data FROM step"))
            kept = b"".join(row[0] for row in db.execute("SELECT body FROM kept"))
            return "\n".join([*db.iterdump(), repr(self.found), repr(steps), repr(kept)])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """One whose recipe says all it knows in a detail, and keeps it."""

    def ends(said: str) -> list[Sample]:
        data = said.encode()
        return [Sample("a", Status.FAILED, detail=said, kept=Kept("a", data, data))]

    return Bench(tmp_path, ends)


async def test_no_token_is_said_or_stored(bench: Bench) -> None:
    """Neither in the look that made it nor in a later one, which cannot know it."""
    await bench.look()
    bench.call_back()
    await bench.look()
    sample, _ = bench.found[-1]
    assert sample.status is Status.FAILED
    assert "the answer to" in sample.detail
    assert sample.detail.count("{token}") >= 6
    assert len(bench.tokens) == 1
    assert bench.tokens[0] not in bench.said()


async def test_an_error_of_the_recipe(bench: Bench) -> None:
    """What went wrong is named, without what the recipe had in its hands."""

    def ends(said: str) -> list[Sample]:
        raise KeyError(said)

    bench.ends = ends
    await bench.look()
    bench.call_back()
    with pytest.raises(RuntimeError, match=r"KeyError: .*the answer to") as caught:
        await bench.look()
    assert bench.tokens[0] not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_fault_that_names_the_address(bench: Bench) -> None:
    """Such as an address that is none: it is in what the transport says."""

    def broken(request: Request) -> Reply:
        bench._reply(request)
        return Fault(FaultKind.CONNECT, f"no such address: {request.target}")

    await bench.look(broken)
    assert bench.found[0][0].detail.startswith("ordered: no such address: /orders?to=https:")
    assert bench.tokens[0] not in bench.said()


def test_a_judge_that_repeats_the_address() -> None:
    """What the governor is told ends in notes, messages and the provider's state."""
    profile = Profile("o", "O", BASE, ("1/s",), 1, 60.0, 30.0, 0.1, False, ())
    job = OwnJob(profile, lambda key, period, good: (yield from ()))
    fault = Fault(FaultKind.CONNECT, f"no such address: {BASE}/{TOKEN}?x")
    outcome = job._judged(Request("/"), fault, 1.0)
    assert outcome.verdict is Verdict.OVERLOADED
    assert outcome.detail.endswith(f"no such address: {BASE}/{{token}}?x")


@pytest.mark.parametrize(
    "text",
    ["", "callbacks/", f"callbacks/{TOKEN[1:]}", f"callbacks/{TOKEN}a", f"elsewhere/{TOKEN}"],
)
def test_what_is_no_address_stays(text: str) -> None:
    """A token has 43 characters, and an address a certain path."""
    assert without_addresses(text) == text


def test_every_way_of_writing_an_address() -> None:
    """Plain, in JSON, in a URL, several of them."""
    text = every_way(f"{BASE}/{TOKEN}") * 3
    assert not re.search(TOKEN, without_addresses(text))
