"""Orders are made once and collected later, whatever happens in between.

The program is the one that docs/how-to/collect-later.md shows.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from later_bench import LaterBench, program, until

from ventil.adapters.sql import open_store
from ventil.cli.main import run
from ventil.sim.orders.server import value_of

pytestmark = pytest.mark.slow

RECORDS = [f"record {number}" for number in range(12)]
ALL_OK = {record: ("ok", value_of(record)) for record in RECORDS}


def waiting(bench: LaterBench) -> int:
    """Records that wait."""
    try:
        store = open_store(bench.database, create=False)
    except Exception:
        return 0
    try:
        return sum(len(store.waits(run.id)) for run in store.runs())
    finally:
        store.close()


def test_killed_between_order_and_callback(later: LaterBench) -> None:
    """The calls come while nobody runs; the next start takes them up and orders nothing."""
    sim = later.set_up(RECORDS, program(), delay_s=None)
    later.serve()
    job = later.start("orders", "records.txt", "--quiet")
    until(lambda: waiting(later) == len(RECORDS))
    job.kill()
    job.wait()
    sim.answer_all()
    assert sim.seen.callbacks == {200: len(RECORDS)}
    code, said = later.job()
    assert code == 0, said
    assert later.answers() == ALL_OK
    assert sim.seen.orders == dict.fromkeys(RECORDS, 1)
    assert sim.seen.polls == 0


def test_no_token_is_stored(later: LaterBench) -> None:
    """What stands in the database while records wait does not let anybody answer them."""
    sim = later.set_up(RECORDS[:2], program(), delay_s=None)
    later.environ["VENTIL_CALLBACK_URL"] = "http://127.0.0.1:9"
    code, said = later.job("--max-wait", "0s")
    assert code == 75, said
    assert "2 records wait for a later answer, until" in said
    tokens = [one.callback.rpartition("/")[2] for one in sim._sim._orders.values()]
    assert min(map(len, tokens)) >= 43  # 256 bits
    with closing(sqlite3.connect(later.folder / "state/ventil.sqlite")) as db:
        held = "\n".join(db.iterdump())
        steps = b"".join(row[0] for row in db.execute("SELECT data FROM step"))
    assert steps
    for token in tokens:
        assert token not in held
        assert token.encode() not in steps


def test_everything_that_may_go_wrong(later: LaterBench) -> None:
    """A late, doubled, early, senseless or oversized call, or none, costs its record alone."""
    faults = {f: f for f in ("twice", "early", "never", "garbage", "large", "refused")}
    records = [*faults, "plain"]
    # Long enough for the calls to come before a poll on any machine but a stopped one, and
    # both ways are right for the others.
    sim = later.set_up(records, program(within="4", every="2"), faults=faults, delay_s=0.2)
    later.serve()
    code, said = later.job("--tolerate", "0%")
    assert code == 3, said
    good = {r: ("ok", value_of(r)) for r in ("twice", "early", "large", "plain")}
    bad = dict.fromkeys(("never", "garbage", "refused"), ("failed", None))
    answers = later.answers()
    if answers["garbage"] == ("ok", value_of("garbage")):  # a poll was first
        bad.pop("garbage")
        good["garbage"] = answers["garbage"]
    assert answers == good | bad
    assert "no answer had come" in later.detail("never")
    assert "was not taken" in later.detail("refused")
    assert {record: sim.seen.orders[record] for record in good} == dict.fromkeys(good, 1)
    assert sim.seen.orders["never"] == 1
    assert sim.seen.polls > 0
    _, listed = later.run("failures", "list", "--json")
    assert all(f'"{record}"' in listed for record in bad)


def test_a_wait_and_a_run_are_cancelled(
    later: LaterBench, capsys: pytest.CaptureFixture[str]
) -> None:
    """Late callers are told that nobody waits, and change nothing; a resume lets them in."""
    records = RECORDS[:3]
    sim = later.set_up(records, program(), delay_s=None)
    later.serve()
    assert later.job("--max-wait", "0s")[0] == 75
    here = ("--database", later.database)
    assert run(["runs", "show", "last", *here]) == 0
    assert "3 for a later answer, until" in capsys.readouterr().out
    assert "waits for a later answer, until" in later.detail(records[0])
    assert run(["runs", "cancel", "last", "--record", "nobody", *here]) == 2
    assert run(["runs", "cancel", "last", "--record", records[0], *here]) == 0
    assert run(["runs", "cancel", "last", *here]) == 0
    sim.answer_all()
    assert sim.seen.callbacks == {410: 3}
    code, said = later.run("runs", "resume", "last", "--max-wait", "0s", "--quiet")
    assert code == 75, said
    sim.answer_all()  # nothing is left that it has not answered: it calls nobody
    assert sim.seen.callbacks == {410: 3}
    assert "was cancelled" in later.detail(records[0])
    sim._sim._orders["2"].ready = sim._sim._orders["3"].ready = False
    sim.answer_all()
    assert sim.seen.callbacks == {410: 3, 200: 2}
    code, said = later.job("--tolerate", "0%")
    assert code == 3, said
    assert later.answers() == {r: ALL_OK[r] for r in records[1:]} | {
        records[0]: ("failed", None)
    }
    assert sim.seen.orders == dict.fromkeys(records, 1)
    code, said = later.run("failures", "replay", "last", "--quiet")  # a new order
    assert code == 0, said
    assert later.answers() == {record: ALL_OK[record] for record in records}
    assert sim.seen.orders[records[0]] == 2


@pytest.mark.parametrize("point", ["send.after:2", "waiting.before:1"])
def test_killed_at_every_step(later: LaterBench, point: str) -> None:
    """Between order, note, wait and end: repeated is at most the order in flight."""
    sim = later.set_up(RECORDS[:4], program(), delay_s=0.0)
    later.environ["VENTIL_PROVIDERS__ORDERS__MAX_IN_FLIGHT"] = "1"
    later.serve()
    code, said = later.job(VENTIL_CRASH_AT=point)
    assert code == -9, said
    code, said = later.job()
    assert code == 0, said
    assert later.answers() == {record: ALL_OK[record] for record in RECORDS[:4]}
    assert sum(sim.seen.orders.values()) <= 4 + point.startswith("send")


def test_any_worker_takes_up_what_has_come(later_shared: LaterBench) -> None:
    """On Postgres: who ordered is killed, another worker collects, the follower publishes."""
    later = later_shared
    sim = later.set_up(RECORDS, program(), delay_s=None)
    later.serve()
    worker = later.start("worker", "--providers", "orders", "--quiet")
    follower = later.start("orders", "records.txt", "--quiet")
    until(lambda: waiting(later) == len(RECORDS))
    worker.kill()
    worker.wait()
    sim.answer_all()
    assert sim.seen.callbacks == {200: len(RECORDS)}
    later.start("worker", "--providers", "orders", "--quiet")
    out, err = follower.communicate(timeout=240)
    assert follower.returncode == 0, out + err
    assert later.answers() == ALL_OK
    assert sum(sim.seen.orders.values()) <= len(RECORDS) + 4
