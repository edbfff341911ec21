"""SIGKILL at every named point: the same command again finishes, and nothing is asked twice.

What the simulator logged is compared with what the ledger held at each kill: a record that
was settled there is never asked for again. What may be repeated is what was in flight.
"""

from __future__ import annotations

from typing import Any

import pytest
from crash_bench import CALM, COUNTS, FAILING, MAX_IN_FLIGHT, ONE_FAILS, OpenBench

from ventil.crashpoint import POINTS

STATS = ("stats", "names.txt")
CHUNKS = 6
UNDISTURBED = 40
"""Requests of a run: one for the plain names, one a scoped one, three more for the failing."""

# Each chain is one job: the command is killed at a point, given again and killed at the
# next, and finishes at last. `point:n` is the n-th time that the point is passed. A commit
# takes as many answers as were in flight, so the chains leave room for full ones.
CHAINS = {
    "begin": [
        "run.before",
        "run.after",
        "queue.before",
        "queue.after",
        "governor.before:1",
        "governor.after:1",
        "send.before:1",
        "send.after:1",
        "ledger.before:1",
        "ledger.after:1",
    ],
    "in full flight": [
        "send.before:7",
        "send.after:6",
        "ledger.before:2",
        "ledger.after:2",
        "send.before:3",
        "send.after:2",
    ],
    "under way": ["governor.before:2", "governor.after:2"],
    "ends of attempts": [
        "attempt.before:1",
        "attempt.after:1",
        "attempt.before:1",
        "attempt.after:1",
        "attempt.before:1",
        "attempt.after:1",
        "failures.before:1",
        "failures.after:1",
    ],
    "publishing": [
        "artefact.before",
        "artefact.written:1",
        "artefact.renamed",
        "artefact.written:2",
        "artefact.after",
        "finish.before",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
def test_a_killed_command_goes_on_where_it_was(
    bench: OpenBench, expected: dict[str, Any], chain: str
) -> None:
    """Killed again and again, it publishes what an undisturbed run publishes."""
    latency_s = 0.25 if chain == "under way" else 0.02
    job = bench({**ONE_FAILS, "latency_s": latency_s})
    for point in CHAINS[chain]:
        ended = job.kill_at(point, *STATS)
        assert ended.code == -9, f"{point} was not reached: {ended.said}"
    ended = job.run(*STATS)
    assert ended.code == 0, ended.said
    assert job.artefact() == expected
    assert job.report()["counts"]["ok"] == len(COUNTS) - 1
    job.nothing_stored_is_asked_again()
    assert job.requests <= UNDISTURBED + MAX_IN_FLIGHT * job.kills
    assert job.sim.report()["violations"] == 0
    assert job.sim.names(job.start)[FAILING] <= 4 + job.kills
    assert [row[0] for row in job.rows("SELECT state FROM run")] == ["done"]
    left = {path.name for path in job.folder.iterdir()}
    assert left == {"names.txt", "stats.json", "stats.report.json", ".ventil", "copy"}


def test_every_point_is_killed_at() -> None:
    """No named point is left out; steps are noted in the changelog job alone."""
    killed_at = {point.partition(":")[0] for chain in CHAINS.values() for point in chain}
    others = {"finish.after", "steps.before", "steps.after"}
    assert killed_at | others == set(POINTS)


@pytest.mark.slow
def test_a_kill_after_the_end_asks_for_nothing(bench: OpenBench) -> None:
    """Killed when all was done, the same command publishes once more and asks nobody."""
    job = bench(CALM)
    assert job.kill_at("finish.after", *STATS).code == -9
    before = job.requests
    assert job.run(*STATS).code == 0
    assert job.requests == before == 37
    job.nothing_stored_is_asked_again()
