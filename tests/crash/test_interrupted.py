"""Signals, and two commands at once on one state folder."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from crash_bench import CALM, COUNTS, MAX_IN_FLIGHT, Bench, OpenBench

STATS = ("stats", "names.txt")
SLOW = {**CALM, "latency_s": 0.1}
REQUESTS = 37
"""One for the plain names together, one for each scoped one."""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_checkpoints(
    bench: OpenBench, number: signal.Signals, code: int
) -> None:
    """It waits for what is in flight, says how to go on, and then nothing is asked twice."""
    job = bench({**CALM, "latency_s": 0.2})
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


def held(job: Bench) -> subprocess.Popen[str]:
    """A command that has sent requests and stands still now, with the lock in its hands."""
    first = job.open(*STATS)
    job.wait_for(5, first)
    first.send_signal(signal.SIGSTOP)
    return first


def waiting(job: Bench, first: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """A second command, which has said that it waits for the first."""
    second = job.open(*STATS)
    assert second.stderr is not None
    assert f"waiting for process {first.pid}" in second.stderr.readline()
    return second


@pytest.mark.slow
def test_the_second_of_two_commands_waits(bench: OpenBench) -> None:
    """It says whom it waits for, and then finds everything settled."""
    job = bench(SLOW)
    first = held(job)
    second = waiting(job, first)
    refused = job.run(*STATS, "--max-wait", "0s")
    assert refused.code == 75, refused.said
    assert f"in use by process {first.pid}" in refused.said
    first.send_signal(signal.SIGCONT)
    assert job.end(first).code == 0
    waited = job.end(second)
    assert waited.code == 0, waited.said
    assert job.requests == REQUESTS
    counts = job.report()["counts"]
    assert (counts["ok"], counts["settled_before"]) == (len(COUNTS), len(COUNTS))


@pytest.mark.slow
def test_a_killed_holder_leaves_no_lock(bench: OpenBench) -> None:
    """The one who waits goes on as soon as the other is dead, and finishes its run."""
    job = bench(SLOW)
    first = held(job)
    second = waiting(job, first)
    first.kill()
    job.end(first)
    ended = job.end(second)
    assert ended.code == 0, ended.said
    assert "resumed" in ended.said
    assert job.requests <= REQUESTS + MAX_IN_FLIGHT
    assert [row[0] for row in job.rows("SELECT state FROM run")] == ["done"]


@pytest.mark.slow
def test_a_signal_while_waiting_for_another_command(bench: OpenBench) -> None:
    """It ends at once, with the code of its signal, and the other is not disturbed."""
    job = bench(SLOW)
    first = held(job)
    second = waiting(job, first)
    second.terminate()
    ended = job.end(second)
    assert ended.code == 143, ended.said
    assert "SIGTERM" in ended.said
    first.send_signal(signal.SIGCONT)
    assert job.end(first).code == 0
    assert job.requests == REQUESTS


@pytest.mark.slow
def test_a_killed_run_is_called_killed_and_can_be_resumed(bench: OpenBench) -> None:
    """`runs` says what it is; `resume` finishes it without asking for anything twice."""
    job = bench(SLOW)
    job.kill_under_way(9, *STATS)
    [run] = json.loads(job.run("runs", "list", "--json").out)
    assert run["state"] == "killed"
    assert job.run("doctor").code == 0
    ended = job.run("runs", "resume", "last")
    assert ended.code == 0, ended.said
    job.nothing_stored_is_asked_again()
    assert job.requests <= REQUESTS + MAX_IN_FLIGHT
    [run] = json.loads(job.run("runs", "list", "--json").out)
    assert run["state"] == "done"
