"""Laws of the plan: every record exactly once, in few enough chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ventil.core.plan import estimate, plan
from ventil.core.quota import Quota
from ventil.providers.npm_downloads import batches

name = st.integers(0, 400).map(lambda i: f"@s/n{i}" if i % 3 else f"n{i}")


@given(
    st.lists(name, max_size=500),
    st.sets(name),
    st.integers(1, 150),
    st.integers(1, 40),
)
def test_every_record_stands_in_one_batch_of_one_chunk(
    names: list[str], settled: set[str], chunk_size: int, max_chunks: int
) -> None:
    """A partition of what is due, deterministic, with chunks as full as batches allow."""
    made = plan(
        names, batches=batches, settled=settled, chunk_size=chunk_size, max_chunks=max_chunks
    )
    due = set(names) - settled
    planned = [key for chunk in made.chunks for key in chunk.keys]
    assert sorted(planned) == sorted(due)
    assert made.records == len(due)
    assert made.settled == len(set(names) & settled)
    assert made.requests == sum(len(chunk.batches) for chunk in made.chunks)
    assert len(made.chunks) <= max_chunks
    assert made.chunk_size >= chunk_size
    assert [chunk.index for chunk in made.chunks] == list(range(len(made.chunks)))
    for chunk in made.chunks:
        assert chunk.batches
        assert len(chunk.keys) <= made.chunk_size or len(chunk.batches) == 1
    for one, following in zip(made.chunks, made.chunks[1:], strict=False):
        assert len(one.keys) + len(following.batches[0].keys) > made.chunk_size
    sizes = [len(batch.keys) for chunk in made.chunks for batch in chunk.batches]
    assert sizes == sorted(sizes, key=lambda size: size == 1)
    again = plan(
        names, batches=batches, settled=settled, chunk_size=chunk_size, max_chunks=max_chunks
    )
    assert again == made


quotas = st.builds(
    Quota, st.floats(0.01, 1_000), st.sampled_from([1.0, 60.0, 3_600.0, 86_400.0])
)


@given(
    st.integers(0, 10_000),
    st.lists(quotas, max_size=3),
    st.integers(1, 50),
    st.floats(0.001, 70),
)
def test_an_estimate_is_the_slowest_of_its_limits(
    requests: int, limits: list[Quota], in_flight: int, latency_s: float
) -> None:
    """More requests or one quota more never take less time, and the limit is named."""
    guess = estimate(requests, limits, in_flight, latency_s)
    assert guess.seconds >= 0
    assert guess.limited_by
    more = estimate(requests + 1, limits, in_flight, latency_s)
    assert more.seconds >= guess.seconds
    alone = [estimate(requests, [limit], in_flight, latency_s) for limit in limits]
    free = estimate(requests, [], in_flight, latency_s)
    assert guess.seconds == max(one.seconds for one in [free, *alone])
