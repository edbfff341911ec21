"""Shuffle sharding: stable, even, never empty; and the probabilities as they are said."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations
from math import comb, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.core.shard import engulfed, overlap, shard

NAMES = st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=20)


@given(key=st.text(), workers=NAMES, size=st.integers(0, 25))
def test_nobody_is_unserved(key: str, workers: set[str], size: int) -> None:
    """As many workers as asked for, or all there are; the same for everybody who asks."""
    found = shard(key, workers, size)
    assert len(found) == min(size or len(workers), len(workers))
    assert set(found) <= workers
    assert found == shard(key, sorted(workers, reverse=True), size)


@given(key=st.text(), workers=NAMES, size=st.integers(1, 6), gone=st.data())
def test_who_goes_is_replaced_alone(
    key: str, workers: set[str], size: int, gone: st.DataObject
) -> None:
    """The others of its shard stay; a shard that it was not in stays whole."""
    one = gone.draw(st.sampled_from(sorted(workers)))
    before, after = shard(key, workers, size), shard(key, workers - {one}, size)
    assert set(before) - {one} <= set(after)
    if one not in before:
        assert before == after


def test_places_are_even() -> None:
    """Over many keys every pair of workers goes together about as often as any other."""
    workers = [f"host-{n}" for n in range(8)]
    keys = 7000
    shards = [shard(f"api-{n}@example.org", workers, 2) for n in range(keys)]
    pairs = Counter(frozenset(found) for found in shards)
    assert len(pairs) == comb(8, 2)
    mean = keys / comb(8, 2)
    # Chi-squared with 27 degrees of freedom: above 63 once in ten thousand fair draws.
    assert sum((count - mean) ** 2 / mean for count in pairs.values()) < 63


@pytest.mark.parametrize(("workers", "size"), [(4, 2), (8, 2), (8, 3), (12, 3)])
def test_the_formulas_by_counting(workers: int, size: int) -> None:
    """Of all shards there are, exactly as many overlap as `overlap` says."""
    mine = set(range(size))
    counted = Counter(len(mine & set(other)) for other in combinations(range(workers), size))
    for shared in range(size + 1):
        share = counted[shared] / comb(workers, size)
        assert overlap(workers, size, shared) == pytest.approx(share)
    assert overlap(workers, size, size) == pytest.approx(engulfed(workers, size, 1))


@pytest.mark.parametrize(
    ("workers", "size", "noisy"), [(8, 2, 1), (8, 2, 3), (8, 3, 2), (16, 3, 4)]
)
def test_the_formulas_by_simulation(workers: int, size: int, noisy: int) -> None:
    """With the real hash: how often noisy keys have all workers of a quiet one among them."""
    chance = random.Random(workers * 100 + size * 10 + noisy)
    names = [f"worker-{n}" for n in range(workers)]
    rounds = 4000
    hurt = 0
    for _ in range(rounds):
        quiet, *others = (f"api-{chance.random()}" for _ in range(noisy + 1))
        taken = {name for key in others for name in shard(key, names, size)}
        hurt += taken.issuperset(shard(quiet, names, size))
    expected = engulfed(workers, size, noisy)
    assert abs(hurt / rounds - expected) < 4 * sqrt(expected * (1 - expected) / rounds)
