"""SIGKILL during `failures replay`: the same command again patches the same artefact."""

from __future__ import annotations

from typing import Any

import pytest
from crash_bench import CALM, COUNTS, FAILING, MAX_IN_FLIGHT, ONE_FAILS, OpenBench

STATS = ("stats", "names.txt")
REPLAY = ("failures", "replay", "last")


@pytest.mark.slow
def test_a_killed_replay_goes_on(bench: OpenBench, expected: dict[str, Any]) -> None:
    """It asks only for what failed, and at most once more for each kill."""
    job = bench(ONE_FAILS)
    assert job.run(*STATS).code == 0
    assert job.artefact() == expected
    job.sim.play(CALM)
    mark = job.sim.mark()
    points = [
        "queue.before",
        "send.after",
        "ledger.after",
        "attempt.before",
        "artefact.renamed",
        "finish.before",
    ]
    for point in points:
        ended = job.kill_at(point, *REPLAY)
        assert ended.code == -9, f"{point} was not reached: {ended.said}"
    ended = job.run(*REPLAY)
    assert ended.code == 0, ended.said
    patched = {FAILING: {"downloads": {"npm": COUNTS[FAILING]}}}
    assert job.artefact() == {"packages": expected["packages"] | patched}
    job.nothing_stored_is_asked_again()
    assert set(job.sim.names(mark)) == {FAILING}
    assert job.sim.names(mark)[FAILING] <= 1 + 1  # the one kill before it was stored
    assert job.rows("SELECT state FROM failure") == [("replayed",)]
    assert job.rows("SELECT state FROM run") == [("done",)]
    over = job.run(*REPLAY)
    assert (over.code, "no open failures" in over.said) == (2, True)


@pytest.mark.slow
def test_a_replay_that_fails_again_asks_as_often_as_undisturbed(bench: OpenBench) -> None:
    """Kills add at most what was in flight, also where all that is asked for fails."""
    job = bench(ONE_FAILS)
    assert job.run(*STATS).code == 0
    mark = job.sim.mark()
    for point in ("attempt.before", "attempt.after", "failures.after"):
        assert job.kill_at(point, *REPLAY).code == -9
    ended = job.run(*REPLAY)
    assert ended.code == 0, ended.said
    assert job.sim.names(mark)[FAILING] == 4  # two tries, twice
    [(attempts, request)] = job.rows("SELECT attempts, request FROM failure")
    assert attempts == 4  # of the ledger: the first run's two and the replay's two
    assert request.startswith("GET /downloads/")
    assert request.endswith(FAILING)


@pytest.mark.slow
def test_refresh_is_taken_up_again(bench: OpenBench) -> None:
    """What an interrupted refresh has asked for is not asked for again by its second start."""
    job = bench(CALM)
    assert job.run(*STATS).code == 0
    mark = job.sim.mark()
    again = (*STATS, "--refresh")
    for point in ("ledger.after:3", "attempt.after:2", "ledger.before:1"):
        assert job.kill_at(point, *again).code == -9
    ended = job.run(*again)
    assert ended.code == 0, ended.said
    counts = job.sim.names(mark)
    assert set(counts) == set(COUNTS)
    singles = [n for name, n in counts.items() if name.startswith("@")]
    assert sum(singles) - len(singles) <= MAX_IN_FLIGHT * job.kills
    refreshed = "SELECT count(*) FROM sample WHERE fetched_s > (SELECT max(created_s) FROM run)"
    assert job.rows(refreshed) == [(len(COUNTS),)]


@pytest.mark.slow
def test_a_doubtful_answer_is_replayed(bench: OpenBench) -> None:
    """Not asked for twice by its run, kill or not; the replay asks, and publishes it."""
    spoilt = {"kind": "zero", "names": [FAILING], "last_days": 2, "times": 1}
    job = bench({**CALM, "behaviours": [spoilt]})
    assert job.kill_at("failures.after", *STATS).code == -9
    assert job.run(*STATS).code == 0
    assert job.sim.names(job.start)[FAILING] == 1
    assert job.report()["counts"]["suspect"] == 1
    assert FAILING not in job.artefact()["packages"]
    ended = job.run(*REPLAY)
    assert ended.code == 0, ended.said
    assert job.sim.names(job.start)[FAILING] == 2
    assert job.artefact()["packages"][FAILING]["downloads"] == {"npm": COUNTS[FAILING]}
