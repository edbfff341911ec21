"""What every store does: the same suite over memory, a SQLite file and Postgres."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ventil.adapters.sql import SqlStore
from ventil.core.fold import Published
from ventil.core.model import Good, Interval, Sample, Status
from ventil.ports import ChunkRow, Run, RunState, Store
from ventil.testing import EPOCH_S

WEEK = Interval(dt.date(2025, 11, 14), dt.date(2025, 11, 20))
DAY = "2025-11-21"
SERIES = "plain@localhost/last-week"


def run_of(name: str = "r1", **changes: object) -> Run:
    """A run as it is created."""
    plain = Run(
        id=name,
        job="stats",
        fingerprint="f",
        state=RunState.RUNNING,
        provider="plain@localhost",
        series=SERIES,
        period="last-week",
        interval=WEEK,
        day=DAY,
        output="stats.json",
        refresh=False,
        tolerate=0.05,
        created_s=EPOCH_S,
        finished_s=None,
        records=3,
        settled_before=0,
    )
    return replace(plain, **changes)


def chunk_of(index: int, *batches: tuple[str, ...]) -> ChunkRow:
    """A chunk that nobody has worked on."""
    return ChunkRow(index, batches, 0, 0, False, EPOCH_S)


def ok(key: str, value: int = 7) -> Sample:
    """A number to be believed."""
    return Sample(key, Status.OK, value, WEEK)


def failed(key: str) -> Sample:
    """No answer."""
    return Sample(key, Status.FAILED, detail="500")


def suspect(key: str) -> Sample:
    """An answer not to be believed yet."""
    return Sample(key, Status.SUSPECT, 0, WEEK, "zero")


def put(store: Store, *samples: Sample, at_s: float = EPOCH_S, run_id: str = "r1") -> None:
    """Record samples of one moment."""
    store.record(SERIES, DAY, run_id, [(sample, at_s) for sample in samples])


def statuses(store: Store, *keys: str, day: str = DAY) -> list[str | None]:
    """What the ledger holds of *keys*."""
    return [
        None if entry is None else entry.sample.status.value
        for _, entry, _ in store.entries(SERIES, day, keys)
    ]


def test_every_method_of_the_port_is_tried() -> None:
    """Here or in the file beside this one, so with every kind of store."""
    text = "".join(
        Path(__file__).with_name(name).read_text(encoding="utf-8")
        for name in ("test_store.py", "test_store_kept.py", "conftest.py")
    )
    methods = {name for name in vars(Store) if not name.startswith("_")}
    tried = set(re.findall(r"(?:store|opened)\.(\w+)\(", text))
    assert not methods - tried


# -- ledger ------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [ok("a"), Sample("a", Status.UNKNOWN, detail="404")])
@pytest.mark.parametrize("later", [failed("a"), suspect("a")])
def test_what_is_settled_is_not_replaced_by_what_is_not(
    store: Store, answer: Sample, later: Sample
) -> None:
    """A failure or a doubt never hides an answer of the same period."""
    put(store, answer)
    put(store, later, at_s=EPOCH_S + 1)
    [(_, entry, _)] = store.entries(SERIES, DAY, ["a"])
    assert entry is not None
    assert (entry.sample, entry.fetched_at_s) == (answer, EPOCH_S)


def test_a_later_answer_replaces_an_earlier_one(store: Store) -> None:
    """A refresh counts; the number of attempts grows, also over failures."""
    for at, sample in enumerate([failed("a"), suspect("a"), ok("a", 1), ok("a", 2)]):
        put(store, sample, at_s=EPOCH_S + at, run_id=f"r{at}")
    [(_, entry, good)] = store.entries(SERIES, DAY, ["a"])
    assert entry is not None
    assert entry.sample.value == 2
    assert entry.attempts == 4
    assert entry.run_id == "r3"
    assert good == Good(2, WEEK, EPOCH_S + 3)


def test_two_samples_of_one_record_in_one_commit(store: Store) -> None:
    """They count in their order, as if they had come apart."""
    put(store, ok("a", 5), failed("a"))
    assert statuses(store, "a") == ["ok"]
    assert store.good(SERIES, ["a"])["a"].value == 5


@pytest.mark.parametrize(
    "later", [failed("a"), suspect("a"), Sample("a", Status.UNKNOWN, detail="gone")]
)
def test_the_last_good_value_is_kept(store: Store, later: Sample) -> None:
    """Only another good value takes its place, of whatever period."""
    put(store, ok("a", 5))
    store.record(SERIES, "2025-11-22", "r2", [(later, EPOCH_S + 86_400)])
    assert store.good(SERIES, ["a", "b"]) == {"a": Good(5, WEEK, EPOCH_S)}


def test_zero_is_a_value(store: Store) -> None:
    """A believed zero is stored as one, and is a good value."""
    put(store, ok("a", 0))
    [(_, entry, good)] = store.entries(SERIES, DAY, ["a"])
    assert entry is not None
    assert entry.sample.value == 0
    assert good == Good(0, WEEK, EPOCH_S)


def test_entries_come_in_the_order_asked(store: Store) -> None:
    """Each key once for every time it is asked for, known or not, in any number."""
    keys = [f"k{i}" for i in range(2_500)]
    put(store, *(ok(key) for key in keys[::2]))
    asked = [*reversed(keys), "k0", "k0"]
    found = list(store.entries(SERIES, DAY, asked))
    assert [key for key, _, _ in found] == asked
    assert all((entry is None) == (int(key[1:]) % 2 == 1) for key, entry, _ in found)


def test_periods_and_series_are_apart(store: Store) -> None:
    """What is settled on one day, or of one provider, says nothing of another."""
    put(store, ok("a"))
    assert store.settled(SERIES, DAY, ["a"]) == {"a"}
    assert store.settled(SERIES, "2025-11-22", ["a"]) == set()
    assert store.settled("other/last-week", DAY, ["a"]) == set()
    assert store.good("other/last-week", ["a"]) == {}
    assert statuses(store, "a", day="2025-11-22") == [None]


def test_settled_names_answers_only(store: Store) -> None:
    """`ok` and `unknown` settle a record; nothing else does."""
    put(store, ok("a"), Sample("b", Status.UNKNOWN), failed("c"), suspect("d"))
    keys = ["a", "b", "c", "d", "e"]
    assert store.settled(SERIES, DAY, keys) == {"a", "b"}
    assert store.settled_count(SERIES, DAY, keys) == 2


def test_a_refresh_sees_what_was_fetched_since(store: Store) -> None:
    """With `since_s` older answers do not count; one of that very moment does."""
    put(store, ok("old"), at_s=EPOCH_S - 0.001)
    put(store, ok("now"), at_s=EPOCH_S)
    keys = ["old", "now"]
    assert store.settled(SERIES, DAY, keys, since_s=EPOCH_S) == {"now"}
    assert store.settled_count(SERIES, DAY, keys, since_s=EPOCH_S) == 1
    put(store, failed("old"), at_s=EPOCH_S + 1)
    assert store.settled(SERIES, DAY, keys, since_s=EPOCH_S) == {"now"}
    assert store.settled(SERIES, DAY, keys) == {"old", "now"}


def test_odd_keys(store: Store) -> None:
    """Keys are any text."""
    keys = ["", "@s/ä", "a'b\"c", "per%cent", "日本", "a\nb", "\\", "🦀"]
    put(store, *(ok(key) for key in keys))
    assert store.settled(SERIES, DAY, keys) == set(keys)
    assert [key for key, entry, _ in store.entries(SERIES, DAY, keys) if entry] == keys


def test_what_is_published(store: Store) -> None:
    """This period's answer; else the last good value with its age; else what is known."""
    store.record(SERIES, "2025-11-20", "r0", [(ok("b", 5), EPOCH_S - 86_400)])
    put(store, ok("a", 7), failed("b"), Sample("c", Status.UNKNOWN, detail="404"), failed("d"))
    assert list(store.published(SERIES, DAY, ["d", "c", "b", "a", "e"])) == [
        Published("d", Status.FAILED, detail="500"),
        Published("c", Status.UNKNOWN, detail="404"),
        Published("b", Status.CARRIED, 5, WEEK, EPOCH_S - 86_400, "500"),
        Published("a", Status.OK, 7, WEEK),
        Published("e", Status.FAILED, detail="not fetched yet"),
    ]


# -- runs and chunks ---------------------------------------------------------------------


def test_a_run_comes_back_as_it_was(store: Store) -> None:
    """Every field, its records in order, its chunks with their batches."""
    run = run_of(tallies={"requests": {"sent": 3}}, finished_s=EPOCH_S + 5, message="über")
    chunks = [chunk_of(0, ("a", "b")), chunk_of(1, ("@s/c",))]
    store.create_run(run, ["b", "a", "@s/c"], chunks)
    assert store.run("r1") == run
    assert store.run("r2") is None
    assert store.run_keys("r1") == ["b", "a", "@s/c"]
    assert store.chunk("r1", 0) == chunks[0]
    assert store.chunk_progress("r1") == [(0, 0, 0, False), (1, 0, 0, False)]
    assert store.chunk_count("r1") == 2
    assert store.chunk_progress("r2") == []


def test_a_run_of_many_chunks_keeps_every_one(store: Store) -> None:
    """However the store cuts up its writes."""
    keys = [f"k{number}" for number in range(1_234)]
    chunks = [chunk_of(index, (key,)) for index, key in enumerate(keys)]
    store.create_run(run_of(), keys, iter(chunks))
    assert [row[0] for row in store.chunk_progress("r1")] == list(range(1_234))
    assert store.chunk("r1", 200).batches == (("k200",),)


def test_a_run_is_created_whole_or_not_at_all(store: Store) -> None:
    """When its chunks cannot be told, there is no run."""

    def chunks() -> Iterator[ChunkRow]:
        yield chunk_of(0, ("a",))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        store.create_run(run_of(), ["a"], chunks())
    assert store.run("r1") is None
    assert store.chunk_count("r1") == 0
    store.create_run(run_of(), ["a"], [chunk_of(0, ("a",))])
    assert store.chunk_count("r1") == 1


def test_fields_of_a_run_change(store: Store) -> None:
    """State, message, tallies and the cancel flag, each by its name."""
    store.create_run(run_of(), [], [])
    store.update_run("r1", state=RunState.PARTIAL, message="m", tallies={"x": [1]}, cancel=True)
    run = store.run("r1")
    assert run is not None
    assert (run.state, run.message, run.tallies, run.cancel) == (
        RunState.PARTIAL,
        "m",
        {"x": [1]},
        True,
    )
    store.update_run("nobody", message="changes nothing")


@pytest.mark.parametrize("state", RunState)
def test_what_can_be_resumed(store: Store, state: RunState) -> None:
    """Runs of the job that are not over, newest first."""
    store.create_run(run_of("old", state=RunState.SUSPENDED), [], [])
    store.create_run(run_of("new", state=state, created_s=EPOCH_S + 1), [], [])
    store.create_run(run_of("other", job="another", created_s=EPOCH_S + 2), [], [])
    found = [run.id for run in store.find_resumable("stats")]
    assert found == (["new", "old"] if state.resumable else ["old"])
    assert [run.id for run in store.runs(limit=2)] == ["other", "new"]


def test_an_attempt_at_a_chunk(store: Store) -> None:
    """Its end is noted with the time; other chunks stay as they are; a replay adds one."""
    store.create_run(run_of(), ["a", "b"], [chunk_of(0, ("a",)), chunk_of(1, ("b",))])
    store.end_attempt("r1", 1, attempts=1, failed=1, finished=False, at_s=EPOCH_S + 9)
    assert store.chunk("r1", 1) == ChunkRow(1, (("b",),), 1, 1, False, EPOCH_S + 9)
    assert store.chunk("r1", 0) == chunk_of(0, ("a",))
    store.reopen_chunks("r1", [chunk_of(2, ("b",))])
    assert store.chunk_progress("r1") == [
        (0, 0, 0, False),
        (1, 1, 1, False),
        (2, 0, 0, False),
    ]


def test_unfinished_chunks_begin_anew(store: Store) -> None:
    """What failed before counts as not asked yet; finished chunks stay as they are."""
    if not isinstance(store, SqlStore):
        pytest.skip("of the database alone: no part of the port")
    store.create_run(run_of(), ["a", "b"], [chunk_of(0, ("a",)), chunk_of(1, ("b",))])
    store.end_attempt("r1", 0, attempts=1, failed=0, finished=True, at_s=EPOCH_S + 1)
    store.begin_chunks_anew("r1", EPOCH_S + 60)
    assert store.chunk("r1", 0).since_s == EPOCH_S + 1
    assert store.chunk("r1", 1).since_s == EPOCH_S + 60


# -- failure queue -----------------------------------------------------------------------


def test_the_failure_queue(store: Store) -> None:
    """A record is in it once a run; another failure opens it again and keeps its first time."""
    store.create_run(run_of(), [], [])
    store.create_run(run_of("r2"), [], [])
    store.put_failures("r1", [(failed("a"), "GET /a", 2), (suspect("b"), "", 1)], EPOCH_S)
    store.put_failures("r2", [(failed("a"), "GET /a", 1)], EPOCH_S)
    assert [f.key for f in store.failures(run_id="r1")] == ["a", "b"]
    assert [f.run_id for f in store.failures()] == ["r1", "r1", "r2"]
    assert store.close_failures("r1", ["a", "b", "c"], "replayed") == 2
    assert store.close_failures("r1", ["a"], "dropped") == 0
    assert store.failures(run_id="r1") == []
    assert [f.state for f in store.failures(run_id="r1", state=None)] == ["replayed"] * 2
    store.put_failures("r1", [(suspect("a"), "GET /again", 4)], EPOCH_S + 60)
    [again] = store.failures(run_id="r1")
    assert (again.key, again.status, again.detail) == ("a", Status.SUSPECT, "zero")
    assert (again.request, again.attempts) == ("GET /again", 4)
    assert (again.first_s, again.last_s) == (EPOCH_S, EPOCH_S + 60)


def test_a_later_run_takes_the_failures_over(store: Store) -> None:
    """Open ones of earlier runs of the same artefact are closed: it has asked for them."""
    if not isinstance(store, SqlStore):
        pytest.skip("of the database alone: no part of the port")
    later = run_of("r2", created_s=EPOCH_S + 60)
    for run in (run_of(), later, run_of("r0", output="elsewhere.json")):
        store.create_run(run, [], [])
        store.put_failures(run.id, [(failed("a"), "", 1)], EPOCH_S)
    store.supersede_failures(later)
    assert sorted(f.run_id for f in store.failures()) == ["r0", "r2"]
    assert [f.state for f in store.failures(run_id="r1", state=None)] == ["superseded"]


# -- providers ---------------------------------------------------------------------------


def test_providers(store: Store) -> None:
    """State and pause are kept apart: neither write undoes the other."""
    assert store.provider("p").state is None
    store.pause_provider("p", "asked to")
    store.save_provider("p", "{}", EPOCH_S)
    row = store.provider("p")
    assert (row.state, row.stamp_s, row.paused) == ("{}", EPOCH_S, "asked to")
    store.pause_provider("p", None)
    store.save_provider("o", "{1}", EPOCH_S)
    assert store.provider("p").paused is None
    assert [row.key for row in store.providers()] == ["o", "p"]


# -- housekeeping ------------------------------------------------------------------------


def test_prune(store: Store) -> None:
    """Old samples and finished runs go; good values, open failures, unfinished runs stay."""
    for number, state in enumerate(
        [RunState.DONE, RunState.PARTIAL, RunState.SUSPENDED, RunState.DONE, RunState.DONE]
    ):
        run = run_of(f"r{number}", state=state, created_s=EPOCH_S + number)
        store.create_run(run, ["a"], [chunk_of(0, ("a",))])
    store.put_failures("r1", [(failed("a"), "", 1)], EPOCH_S)
    store.put_failures("r0", [(failed("a"), "", 1)], EPOCH_S)
    store.close_failures("r0", ["a"], "replayed")
    store.record(SERIES, "2025-10-01", "r0", [(ok("a"), EPOCH_S)])
    put(store, ok("b"))
    store.prune(before_day="2025-11-01", keep_runs=1)
    assert [run.id for run in store.runs()] == ["r4", "r2", "r1"]
    assert store.chunk_count("r0") == store.chunk_count("r3") == 0
    assert [f.run_id for f in store.failures(state=None)] == ["r1"]
    assert statuses(store, "a", day="2025-10-01") == [None]
    assert statuses(store, "b") == ["ok"]
    assert set(store.good(SERIES, ["a", "b"])) == {"a", "b"}
