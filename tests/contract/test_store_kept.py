"""What every store keeps of a record beside its number: documents and memories."""

from __future__ import annotations

import datetime as dt

from ventil.core.model import Interval, Kept, Sample, Status
from ventil.ports import Run, RunState, Store
from ventil.testing import EPOCH_S

DAY = "2025-11-17"
SERIES = "changelogs@1f3a/week"

RUN = Run(
    id="r1",
    job="changelogs",
    fingerprint="f",
    state=RunState.RUNNING,
    provider="changelogs@1f3a",
    series=SERIES,
    period="week",
    interval=Interval(dt.date(2025, 11, 17), dt.date(2025, 11, 23)),
    day=DAY,
    output="site",
    refresh=False,
    tolerate=0.05,
    created_s=EPOCH_S,
    finished_s=None,
    records=2,
    settled_before=0,
)


def put(store: Store, kept: Kept | None, at_s: float = EPOCH_S) -> None:
    """Record a number with what is to be kept."""
    sample = Sample("a@1", Status.OK, 1, kept=kept)
    store.record(SERIES, DAY, "r1", [(sample, at_s)])


def test_what_a_sample_keeps_is_found_under_its_name(store: Store) -> None:
    """Body and memory, byte by byte, with the time; nothing under other names and series."""
    body = b"\x00" + "\u00e9".encode() * 1000
    put(store, Kept("a", body, b"\xff"))
    assert store.kept(SERIES, "a") == Kept("a", body, b"\xff", EPOCH_S)
    assert store.kept(SERIES, "a@1") is None
    assert store.kept("other", "a") is None


def test_what_is_left_out_stays_as_it_was(store: Store) -> None:
    """None leaves body or memory as they were; an empty one takes their place."""
    put(store, Kept("a", b"body", b"memory"))
    put(store, Kept("a", None, b"newer"), EPOCH_S + 1)
    assert store.kept(SERIES, "a") == Kept("a", b"body", b"newer", EPOCH_S + 1)
    put(store, Kept("a", b"", None), EPOCH_S + 2)
    assert store.kept(SERIES, "a") == Kept("a", b"", b"newer", EPOCH_S + 2)
    put(store, None, EPOCH_S + 3)
    assert store.kept(SERIES, "a") == Kept("a", b"", b"newer", EPOCH_S + 2)


def test_pruning_leaves_what_is_kept(store: Store) -> None:
    """Documents outlive the samples they came with."""
    put(store, Kept("a", b"body", b"memory"))
    store.prune(before_day="2030-01-01", keep_runs=1)
    assert store.kept(SERIES, "a") == Kept("a", b"body", b"memory", EPOCH_S)


def test_steps_are_noted_until_their_record_is_answered(store: Store) -> None:
    """In the order of their numbers, byte by byte, for one run, and gone with the sample."""
    store.create_run(RUN, ["a@1", "b"], [])
    store.note_steps(RUN.id, [("a@1", 1, b"two"), ("a@1", 0, b"one"), ("b", 0, b"\x00\xff")])
    store.note_steps(RUN.id, [("a@1", 1, b"second")])
    assert store.steps(RUN.id, "a@1") == [b"one", b"second"]
    assert store.steps("another", "a@1") == store.steps(RUN.id, "c") == []
    sample = Sample("a@1", Status.FAILED, detail="gone")
    store.record(SERIES, DAY, RUN.id, [(sample, EPOCH_S)])
    assert store.steps(RUN.id, "a@1") == [b"one", b"second"]
    store.record(SERIES, DAY, RUN.id, [(sample, EPOCH_S)], stepped=True)
    assert store.steps(RUN.id, "a@1") == []
    assert store.steps(RUN.id, "b") == [b"\x00\xff"]


def test_several_of_one_name_in_one_commit(store: Store) -> None:
    """Two versions of a package share what is kept: the last one counts."""
    samples = [
        (Sample("a@1", Status.OK, 1, kept=Kept("a", b"one", b"m")), EPOCH_S),
        (Sample("b@1", Status.OK, 1, kept=Kept("b", b"b", None)), EPOCH_S),
        (Sample("a@2", Status.OK, 2, kept=Kept("a", b"two", None)), EPOCH_S + 1),
    ]
    store.record(SERIES, DAY, "r1", samples)
    assert store.kept(SERIES, "a") == Kept("a", b"two", b"m", EPOCH_S + 1)
    assert store.kept(SERIES, "b") == Kept("b", b"b", None, EPOCH_S)
