"""Signals, and two commands at once on one state folder."""

from __future__ import annotations

import signal
import time

import pytest
from crash_bench import CALM, COUNTS, OpenBench

STATS = ("stats", "names.txt")
REQUESTS = 37
"""One for the plain names together, one for each scoped one."""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_checkpoints(
    bench: OpenBench, number: signal.Signals, code: int
) -> None:
    """It waits for what is in flight, says how to go on, and then nothing is asked twice."""
    job = bench({**CALM, "latency_s": 0.1})
    process = job.open(*STATS)
    job.wait_for(9, process)
    process.send_signal(number)
    ended = job.end(process)
    assert ended.code == code, ended.said
    assert number.name in ended.said
    assert "the same command goes on" in ended.said
    assert "Traceback" not in ended.said
    assert not (job.folder / "stats.json").exists()
    [(state, tallies)] = job.rows("SELECT state, tallies FROM run")
    assert state == "interrupted"
    assert f'"sent":{job.requests}' in tallies
    ended = job.run(*STATS)
    assert ended.code == 0, ended.said
    assert "resumed" in ended.said
    assert job.requests == REQUESTS
    assert max(job.sim.names(job.start).values()) == 1
    assert job.report()["requests"]["npm-downloads"]["sent"] == REQUESTS


@pytest.mark.slow
def test_the_second_of_two_commands_waits(bench: OpenBench) -> None:
    """It says whom it waits for, and then finds everything settled."""
    job = bench({**CALM, "latency_s": 0.15})
    first = job.open(*STATS)
    job.wait_for(1, first)
    second = job.open(*STATS)
    refused = job.run(*STATS, "--max-wait", "0s")
    assert refused.code == 75, refused.said
    assert f"in use by process {first.pid}" in refused.said
    assert job.end(first).code == 0
    waited = job.end(second)
    assert waited.code == 0, waited.said
    assert f"waiting for process {first.pid}" in waited.said
    assert job.requests == REQUESTS
    assert job.report()["counts"] | {"settled_before": 0} == {
        "records": len(COUNTS),
        "ok": len(COUNTS),
        "unknown": 0,
        "suspect": 0,
        "failed": 0,
        "carried": 0,
        "settled_before": 0,
    }


@pytest.mark.slow
def test_a_killed_holder_leaves_no_lock(bench: OpenBench) -> None:
    """The one who waits goes on as soon as the other is dead, and finishes its run."""
    job = bench({**CALM, "latency_s": 0.15})
    first = job.open(*STATS)
    job.wait_for(5, first)
    second = job.open(*STATS)
    assert second.stderr is not None
    assert "waiting for" in second.stderr.readline()
    first.kill()
    job.end(first)
    job.note_kill()
    ended = job.end(second)
    assert ended.code == 0, ended.said
    job.nothing_stored_is_asked_again()


@pytest.mark.slow
def test_a_signal_while_waiting_for_another_command(bench: OpenBench) -> None:
    """It ends at once, with the code of its signal, and the other is not disturbed."""
    job = bench({**CALM, "latency_s": 0.15})
    first = job.open(*STATS)
    job.wait_for(1, first)
    second = job.open(*STATS)
    assert second.stderr is not None
    assert "waiting for" in second.stderr.readline()
    began_s = time.monotonic()
    second.terminate()
    ended = job.end(second)
    assert ended.code == 143, ended.said
    assert time.monotonic() - began_s < 3
    assert job.end(first).code == 0
    assert job.requests == REQUESTS
