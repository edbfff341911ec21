"""Records that wait and their tokens, on every kind of state database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from orders import ORDERS
from ventil.adapters.sql import SqlStore, open_store
from ventil.core.exchange import Called
from ventil.engine.deferred import digest_of
from ventil.ports import Callback, ChunkRow, RunState, Wait
from ventil.wiring.deferring import TakingUp, call

KEYS = ["a", "b", "c"]
LATE = 1e9


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """A run whose three records have ordered and wait."""
    store = open_store(url)
    store.create_run(ORDERS, KEYS, [ChunkRow(0, (("a",), ("b",), ("c",)), 0, 0, False, 1.0)])
    for key in KEYS:
        store.issue("r1", key, 0, key.encode())
        assert store.park("r1", Wait(key, 0, LATE, LATE, False))
    yield store
    store.close()


def test_the_first_answer_counts(store: SqlStore) -> None:
    """Also of two tokens of one order; whoever comes later is told so, to the end."""
    store.issue("r1", "a", 0, b"a again")
    assert store.call(b"a again", b"one", "text/plain", 2.0) is Callback.TAKEN
    assert store.call(b"a", b"two", "", 3.0) is Callback.REPEATED
    assert store.answer("r1", "a", 0) == Called(b"one", "text/plain")
    assert store.wake("r1", 4.0, most=10) == 1
    assert store.chunk("r1", 1).batches == (("a",),)
    store.settle("r1", 1, ["a"])
    assert store.call(b"a again", b"three", "", 5.0) is Callback.REPEATED
    assert store.answer("r1", "a", 0) is None  # not kept for ever
    assert store.next_order("r1", "a") == 1
    assert store.call(b"nobody's", b"", "", 5.0) is Callback.UNKNOWN


def test_an_answer_before_the_wait(store: SqlStore) -> None:
    """A record whose answer is there need not wait, and does not."""
    store.issue("r1", "a", 1, b"next")
    assert store.call(b"next", b"early", "", 2.0) is Callback.TAKEN
    assert not store.park("r1", Wait("a", 1, LATE, LATE, False))
    assert store.answer("r1", "a", 1) == Called(b"early")


def test_the_time_runs_out(store: SqlStore) -> None:
    """A call after it is too late, and the record is looked at then."""
    assert store.call(b"b", b"late", "", LATE + 1) is Callback.OVER
    assert store.answer("r1", "b", 0) is None
    assert store.wake("r1", LATE - 1, most=10) is None
    assert store.wake("r1", LATE, most=2) == 1
    assert store.wake("r1", LATE, most=2) == 2
    assert store.wake("r1", LATE, most=2) is None
    [(last,)] = store.chunk("r1", 2).batches
    assert store.elsewhere("r1", 1, KEYS) == {last}
    assert store.elsewhere("r1", 0, KEYS) == set(KEYS)


def test_a_wait_is_cancelled(store: SqlStore) -> None:
    """Its callers are too late; a look that is under way cannot let it wait again."""
    assert store.cancel_wait("r1", "c")
    assert not store.cancel_wait("r1", "c")
    assert store.call(b"c", b"", "", 2.0) is Callback.OVER
    assert not store.park("r1", Wait("c", 0, LATE, LATE, False))
    assert store.wake("r1", 2.0, most=10) == 1
    store.settle("r1", 1, ["c"])
    assert store.call(b"c", b"", "", 2.0) is Callback.OVER
    assert [wait.key for wait in store.waits("r1")] == ["a", "b"]


def test_who_waits_alone(store: SqlStore) -> None:
    """A run rests when nothing is left of it but records that wait."""
    assert store.crowd("r1").count == 3
    assert not store.crowd("r1").alone
    store.end_attempt("r1", 0, attempts=1, failed=0, finished=True, at_s=2.0)
    assert store.crowd("r1").alone
    store.call(b"a", b"", "", 2.0)
    assert store.due_runs(["orders@h"], 3.0) == ["r1"]
    assert store.due_runs(["other@h"], 3.0) == []
    assert store.wake("r1", 3.0, most=10) == 1
    assert store.crowd("r1").alone  # a chunk that only collects is no other work
    store.settle("r1", 0, KEYS)  # another chunk's end says nothing about those that wait
    assert store.crowd("r1").count == 3
    assert store.answer("r1", "a", 0) is not None


def test_a_call_and_a_wait_meet(url: str, store: SqlStore) -> None:
    """Whichever is first: the record waits and is woken, or finds its answer."""
    for number in range(1, 40):
        store.issue("r1", "a", number, b"%d" % number)
        other = open_store(url)
        called: list[Callback] = []

        def call(other: SqlStore = other, number: int = number) -> None:
            called.append(other.call(b"%d" % number, b"x", "", 2.0))  # noqa: B023
            other.close()

        thread = threading.Thread(target=call)
        thread.start()
        parked = store.park("r1", Wait("a", number, LATE, LATE, False))
        thread.join()
        assert called == [Callback.TAKEN]
        woken = store.wake("r1", 3.0, most=10)
        assert (woken is not None) == parked
        if woken is not None:
            store.end_attempt("r1", woken, attempts=1, failed=0, finished=True, at_s=3.0)
        assert store.answer("r1", "a", number) == Called(b"x")


def test_a_hundred_thousand_at_one_moment(url: str, store: SqlStore) -> None:
    """They are taken up a bounded part at a time, each once, and none is left out.

    Neither of the two kinds of database is asked for more than the part.
    """
    keys = [f"k{number:06}" for number in range(100_000)]
    with store._database.transaction() as db:
        db.executemany(
            "INSERT INTO waiting (run_id, key, number, until_s, look_s, cancelled)"
            " VALUES ('r1', ?, 0, 9.0, 5.0, ?)",
            [(key, False) for key in keys],
        )
    seen: list[str] = []
    while store.due_runs(["orders@h"], 5.0, ahead=3):
        indexes = [store.wake("r1", 5.0, most=5_000, ahead=3) for _ in range(4)]
        woken = [index for index in indexes if index is not None]
        assert len(woken) <= 3
        assert indexes[3] is None
        for index in woken:
            batches = store.chunk("r1", index).batches
            assert len(batches) <= 5_000
            taken = [key for (key,) in batches]
            seen += taken
            store.settle("r1", index, taken)
            store.end_attempt("r1", index, attempts=1, failed=0, finished=True, at_s=6.0)
    assert sorted(seen) == keys
    assert store.crowd("r1").count == len(KEYS)


def test_many_runs_due_at_once(store: SqlStore) -> None:
    """At each look a few chunks, of the runs in turn: none waits for the end of another."""
    for number in range(20):
        run = f"s{number:02}"
        store.create_run(replace(ORDERS, id=run, records=600), ["x"], [])
        with store._database.transaction() as db:
            db.executemany(
                "INSERT INTO waiting (run_id, key, number, until_s, look_s, cancelled)"
                " VALUES (?, ?, 0, 9.0, 5.0, ?)",
                [(run, f"k{key}", False) for key in range(600)],
            )
    taking_up = TakingUp()
    made = []
    for _ in range(5):
        taking_up.look(store, ["orders@h"], 5.0)
        made.append(sum(len(store.chunk_progress(f"s{n:02}")) for n in range(20)))
    assert made == [8, 16, 24, 32, 40]
    assert store.due_runs(["orders@h"], 5.0) == []


def test_who_calls_is_judged_before_it_is_heard(store: SqlStore) -> None:
    """What a call would come to is told without it, as often as anybody asks."""
    assert store.expects(b"a", 2.0) == (Callback.TAKEN, "orders@h")
    assert store.expects(b"a", 2.0) == (Callback.TAKEN, "orders@h")
    assert store.expects(b"a", LATE + 1)[0] is Callback.OVER
    assert store.expects(b"nobody's", 2.0) == (Callback.UNKNOWN, "")
    store.call(b"a", b"", "", 2.0)
    assert store.expects(b"a", 2.0)[0] is Callback.REPEATED


def test_a_content_type_that_is_no_text(store: SqlStore) -> None:
    """Bytes of a header that are no text do not reach the database."""
    token = "t" * 43
    store.issue("r1", "a", 1, digest_of(token))
    assert call(store, token, b"x", "text/\udcff\0plain" + "y" * 300, 2.0) is Callback.TAKEN
    answer = store.answer("r1", "a", 1)
    assert answer is not None
    assert answer.content_type.startswith("text/??plain")
    assert len(answer.content_type) == 200


def test_pruning_takes_all_along(store: SqlStore) -> None:
    """With a run that is pruned its tokens and waits are gone."""
    store.update_run("r1", state=RunState.CANCELLED)
    store.prune(before_day="2026-01-01", keep_runs=0)
    assert store.run("r1") is None
    assert store.waits("r1") == []
    assert store.call(b"a", b"", "", 2.0) is Callback.UNKNOWN
