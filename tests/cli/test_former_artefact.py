"""A lost ledger: what cannot be fetched is carried from the artefact that stands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commandline import Cli

from ventil.core.fold import Published
from ventil.core.model import Status
from ventil.publish.former import Former
from ventil.testing.raw_server import Exchange, RawServer

FAILED = Published("a", Status.FAILED, detail="503 from the provider")
STATS = {"packages": {"a": {"downloads": {"npm": 7}}}, "updated": "2026-11-20T04:00:00.000Z"}
REPORT: dict[str, Any] = {
    "period": {"name": "last-week", "start": "2026-11-13", "end": "2026-11-19"},
    "requests": {"npm-downloads": {}},
    "records": [],
}


def former(folder: Path, stats: object, report: object) -> Former:
    """The artefact of these contents."""
    (folder / "stats.json").write_text(json.dumps(stats))
    (folder / "stats.report.json").write_text(json.dumps(report))
    return Former(
        folder / "stats.json",
        folder / "stats.report.json",
        "npm",
        lambda report: report["period"]["name"] == "last-week",
    )


def test_a_failure_is_carried_with_the_age_of_the_artefact(tmp_path: Path) -> None:
    """Value, days and time are those of what was published; why it failed is kept."""
    carried = former(tmp_path, STATS, REPORT).carried(FAILED)
    assert (carried.status, carried.value) == (Status.CARRIED, 7)
    assert carried.as_of_s == pytest.approx(1_795_147_200.0)
    assert str(carried.interval) == "2026-11-13:2026-11-19"
    assert carried.detail == FAILED.detail


def test_what_was_carried_before_keeps_its_age(tmp_path: Path) -> None:
    """It is not as new as the artefact that shows it."""
    record = {
        "key": "a",
        "status": "carried",
        "detail": "",
        "as_of": "2026-11-01T00:00:00.000Z",
    }
    carried = former(tmp_path, STATS, REPORT | {"records": [record]}).carried(FAILED)
    assert carried.as_of_s == pytest.approx(1_793_491_200.0)


@pytest.mark.parametrize(
    "record",
    [
        Published("a", Status.UNKNOWN, detail="no such package"),
        Published("a", Status.CARRIED, 5, as_of_s=1.0),
        Published("b", Status.FAILED),
    ],
)
def test_nothing_else_is_touched(tmp_path: Path, record: Published) -> None:
    """An answer stands, so does a value of the ledger's; what was never there stays failed."""
    assert former(tmp_path, STATS, REPORT).carried(record) is record


@pytest.mark.parametrize(
    ("stats", "report"),
    [
        (STATS, REPORT | {"period": {**REPORT["period"], "name": "last-day"}}),
        (STATS, {}),
        (STATS, []),
        (STATS, REPORT | {"records": None}),
        ({"packages": []}, REPORT),
        ({"packages": {"a": {"downloads": {"npm": "7"}}}, "updated": "2026-11-20"}, REPORT),
        ({"packages": {"a": {"downloads": {"npm": -7}}}, "updated": "2026-11-20"}, REPORT),
        ({"packages": {"a": 7}, "updated": "2026-11-20"}, REPORT),
        (STATS | {"updated": "yesterday"}, REPORT),
    ],
)
def test_another_jobs_or_a_broken_artefact_is_not_used(
    tmp_path: Path, stats: object, report: object
) -> None:
    """Neither a number of other days nor what is no number."""
    assert former(tmp_path, stats, report).carried(FAILED) is FAILED


def test_no_artefact_at_all(tmp_path: Path) -> None:
    """The first run has none."""
    gone = Former(tmp_path / "no", tmp_path / "none", "npm", lambda _: True)
    assert gone.carried(FAILED) is FAILED


@pytest.fixture
def broken() -> Iterator[tuple[RawServer, list[bool]]]:
    """A provider that answers honestly until it is told to break."""
    down = [False]

    def script(exchange: Exchange) -> None:
        if down[0]:
            exchange.answer(b"{}", status="500 Internal Server Error")
            return
        name = exchange.target.rsplit("/", 1)[1]
        days = {"start": "2026-11-01", "end": "2026-11-01"}
        exchange.answer(json.dumps({"downloads": 7, "package": name, **days}).encode())

    with RawServer(script) as server:
        yield server, down


def test_a_run_without_its_ledger_publishes_what_stood(
    cli: Cli, broken: tuple[RawServer, list[bool]]
) -> None:
    """The state folder is gone and the provider is down: the numbers stay, with their age."""
    server, down = broken
    cli.ask(server.url)
    cli.names("pack")
    period = ("--period", "2026-11-01")
    assert cli("stats", "names.txt", "--quiet", *period).code == 0
    shutil.rmtree(cli.folder / ".ventil")
    down[0] = True
    ended = cli("stats", "names.txt", *period)
    assert ended.code in (3, 75), ended
    assert cli.stats() == {"pack": 7}
    assert cli.of_report() == {"pack": "carried"}
