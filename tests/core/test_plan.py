"""Planning: batches into chunks, and how long they take."""

import random
from collections.abc import Iterable, Iterator

import pytest

from ventil.core.plan import BLOCK, estimate, plan
from ventil.core.quota import Quota


def pairs(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """A provider that takes two names at once, and those with @ alone."""
    rest = list(names)
    plain = [name for name in rest if not name.startswith("@")]
    yield from ((name,) for name in rest if name.startswith("@"))
    yield from (tuple(plain[i : i + 2]) for i in range(0, len(plain), 2))


def test_a_plan_leaves_out_what_is_settled_and_what_is_named_twice() -> None:
    """Every other record stands in one batch."""
    made = plan(["a", "b", "a", "c", "@s/d"], batches=pairs, settled={"b"})
    assert [chunk.keys for chunk in made.chunks] == [("a", "c", "@s/d")]
    assert (made.records, made.settled, made.requests) == (3, 1, 2)


def test_bulk_batches_come_first() -> None:
    """They settle most records soonest."""
    made = plan(["@s/a", "b", "@s/c", "d"], batches=pairs)
    (chunk,) = made.chunks
    assert [batch.keys for batch in chunk.batches] == [("b", "d"), ("@s/a",), ("@s/c",)]


def test_neighbours_by_name_are_asked_together_and_blocks_keep_their_order() -> None:
    """What is written together shares pages; the first of a long list is still asked first."""
    names = [f"@s/{i:05}" for i in range(2 * BLOCK)]
    shuffled = random.Random(1).sample(names[BLOCK:], BLOCK) + names[:BLOCK]
    made = plan(shuffled, batches=pairs)
    asked = [key for chunk in made.chunks for key in chunk.keys]
    assert asked == names[BLOCK:] + names[:BLOCK]


def test_a_batch_larger_than_a_chunk_is_not_split() -> None:
    """128 names in one request are one chunk of 128, though a chunk has 100."""
    names = [f"n{i}" for i in range(300)]
    made = plan(
        names, batches=lambda due: [tuple(list(due)[i : i + 128]) for i in (0, 128, 256)]
    )
    assert [len(chunk.keys) for chunk in made.chunks] == [128, 128, 44]
    assert [chunk.index for chunk in made.chunks] == [0, 1, 2]


def test_chunks_grow_until_there_are_few_enough() -> None:
    """A run of 1,000 single records in at most 7 chunks."""
    names = [f"@s/{i}" for i in range(1_000)]
    made = plan(names, batches=pairs, chunk_size=10, max_chunks=7)
    assert len(made.chunks) == 7
    assert made.chunk_size == 143
    assert len(plan(names, batches=pairs, chunk_size=10).chunks) == 100


def test_nothing_to_do_is_a_plan_without_chunks() -> None:
    """Everything settled: no requests."""
    made = plan(["a"], batches=pairs, settled={"a"})
    assert made.chunks == ()
    assert (made.records, made.settled, made.requests) == (0, 1, 0)
    assert estimate(0, [], 1, 1.0).seconds == 0.0


@pytest.mark.parametrize("wrong", [{"chunk_size": 0}, {"max_chunks": 0}])
def test_sizes_below_one_are_refused(wrong: dict[str, int]) -> None:
    """There is no chunk of nothing."""
    with pytest.raises(ValueError, match="must be 1 or more"):
        plan(["a"], batches=pairs, **wrong)


def test_without_quotas_the_requests_in_flight_set_the_pace() -> None:
    """Ten requests of half a second, three at a time: four rounds."""
    guess = estimate(10, [], 3, 0.5)
    assert guess.seconds == 2.0
    assert guess.limited_by == "3 in flight at about 0.5 s each"


def test_the_tightest_quota_is_named() -> None:
    """Of several windows, the one that takes longest is the limit."""
    quotas = [Quota.parse("5/s"), Quota.parse("100/h")]
    few, many = estimate(50, quotas, 10, 0.1), estimate(201, quotas, 10, 0.1)
    assert few.limited_by == "the quota of 5/s"
    assert few.seconds == pytest.approx(9 * 1.01 + 0.1)
    assert many.limited_by == "the quota of 100/h"
    assert many.seconds == pytest.approx(2 * 3630 + 0.1)


def test_a_quota_below_one_is_one_in_a_longer_time() -> None:
    """0.45/s is one request in 2.22 seconds."""
    guess = estimate(100, [Quota.parse("0.45/s")], 1, 0.3)
    assert guess.seconds == pytest.approx(99 / 0.45 * 1.01, rel=0.01)
