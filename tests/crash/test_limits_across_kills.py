"""A new start honours what the killed one had learnt: cooldown, breaker, quota."""

from __future__ import annotations

import json
import time

import pytest
from crash_bench import CALM, OpenBench

STATS = ("stats", "names.txt")


@pytest.mark.slow
def test_a_cooldown_outlives_the_process(bench: OpenBench) -> None:
    """Throttled and killed: the next start asks nothing until the cooldown is over."""
    cooldown_s = 7.0
    provider = "VENTIL_PROVIDERS__NPM_DOWNLOADS__"
    job = bench(
        {**CALM, "ban": {"seconds": 3, "at": 10, "times": 1}},
        **{f"{provider}COOLDOWN": f"{cooldown_s}s"},
    )
    process = job.open(*STATS)
    throttled_s = None
    until_s = time.monotonic() + 30
    while throttled_s is None:
        assert time.monotonic() < until_s
        time.sleep(0.01)
        lines = job.sim.log.read_bytes()[job.start :].splitlines()
        for event in map(json.loads, lines):
            if event.get("status") == 429:
                throttled_s = event["at_s"]
    time.sleep(0.3)  # so that the answer has arrived
    process.kill()
    job.end(process)
    job.note_kill()
    mark = job.stored[0][0]
    late = job.run(*STATS, "--max-wait", "1s")
    assert late.code == 75
    assert "cooldown until" in late.said
    assert job.sim.asked(mark) == []
    ended = job.run(*STATS)
    assert ended.code == 0, ended.said
    assert job.sim.asked(mark)[0]["at_s"] - throttled_s >= cooldown_s - 0.1
    job.nothing_stored_is_asked_again()
    assert job.sim.report()["during_ban"] <= 4


@pytest.mark.slow
def test_an_open_breaker_outlives_the_process(bench: OpenBench) -> None:
    """Killed in an outage: the next start sends single probes, the first when it is due."""
    job = bench({**CALM, "behaviours": [{"kind": "fail", "status": 503, "after": 8}]})
    process = job.open(*STATS)
    job.wait_for(8 + 6, process)
    time.sleep(0.2)
    process.kill()
    job.end(process)
    job.note_kill()
    [(state,)] = job.rows("SELECT state FROM provider")
    breaker = json.loads(state)["breaker"]
    assert breaker["opened_s"] is not None
    mark = job.stored[0][0]
    process = job.open(*STATS)
    job.wait_for(2, process)
    probes = [event["at_s"] for event in job.sim.asked(mark)]
    job.sim.play(CALM)
    ended = job.end(process)
    assert ended.code == 0, ended.said
    assert probes[0] >= breaker["next_probe_s"] - 0.05
    assert probes[1] - probes[0] > 0.8
    assert job.report()["counts"]["ok"] == 48
