"""SIGKILL at moments that nobody chose, by seed."""

from __future__ import annotations

import random
from typing import Any

import pytest
from crash_bench import COUNTS, FAILING, MAX_IN_FLIGHT, ONE_FAILS, OpenBench

STATS = ("stats", "names.txt")
KILLS = 6


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_command_killed_at_random_finishes(
    bench: OpenBench, expected: dict[str, Any], seed: int
) -> None:
    """Wherever it is killed, it publishes the same and asks for nothing that it had."""
    random_ = random.Random(seed)
    job = bench({**ONE_FAILS, "latency_s": 0.06, "latency_sigma": 0.5})
    for _ in range(KILLS):
        job.kill_under_way(random_.randint(0, 8), *STATS)
    ended = job.run(*STATS)
    assert ended.code == 0, ended.said
    assert job.artefact() == expected
    job.nothing_stored_is_asked_again()
    # The one that fails may be asked for anew when a kill came after the end of the run.
    others = {name: n for name, n in job.sim.names(job.start).items() if name != FAILING}
    assert sum(others.values()) - len(others) <= 12 * MAX_IN_FLIGHT * job.kills
    singles = [n for name, n in others.items() if name.startswith("@")]
    assert len(singles) == len(COUNTS) - 13
    assert sum(singles) - len(singles) <= MAX_IN_FLIGHT * job.kills
    assert job.sim.report()["violations"] == 0


@pytest.mark.slow
def test_kills_between_a_failed_chunk_and_its_retry(bench: OpenBench) -> None:
    """The retry waits for its delay across kills, and is made once."""
    job = bench(ONE_FAILS, VENTIL_RUN__RETRY_DELAY="4s")
    assert job.kill_at("attempt.after:6", *STATS).code == -9  # all chunks, one has failed
    asked_once = job.sim.names(job.start)[FAILING]
    assert asked_once == 2
    ended_s = job.rows("SELECT max(since_s) FROM chunk WHERE attempts = 1 AND NOT finished")
    assert job.kill_at("queue.after", *STATS).code == -9
    ended = job.run(*STATS)
    assert ended.code == 0, ended.said
    tries = [event for event in job.sim.asked(job.start) if FAILING in event["names"]]
    assert len(tries) == 4
    assert tries[2]["at_s"] - ended_s[0][0] >= 3.9


@pytest.mark.slow
def test_kills_among_many_chunks(bench: OpenBench) -> None:
    """Far more chunks than run at once, each of one record: none is lost, none done twice."""
    names = [f"@many/n{number}" for number in range(240)]
    job = bench(
        {"latency_s": 0.02},
        names,
        VENTIL_RUN__CHUNK_SIZE="1",
        VENTIL_PROVIDERS__NPM_DOWNLOADS__QUOTAS='["1000/s"]',
    )
    for requests in (3, 40, 70):
        job.kill_under_way(requests, *STATS)
    ended = job.run(*STATS)
    assert ended.code == 0, ended.said
    job.nothing_stored_is_asked_again()
    assert job.rows("SELECT count(*) FROM chunk WHERE NOT finished") == [(0,)]
    assert job.report()["counts"]["unknown"] == len(names), job.report()["records"]
    asked = job.sim.names(job.start)
    assert set(asked) == set(names)
    assert sum(asked.values()) - len(names) <= MAX_IN_FLIGHT * job.kills
