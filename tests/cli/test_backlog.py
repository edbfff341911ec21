"""What is left to do, what was dropped, how many slots could be used: as people see it."""

from __future__ import annotations

import signal
import subprocess
import time

from commandline import Cli

from ventil.sim.npm.scenario import Fail, Scenario

NAMES = [f"@s/p{number}" for number in range(60)]


def test_nothing_is_left(cli: Cli) -> None:
    """Before the first run, and after one that is over."""
    assert cli("providers", "show", "--json").json["scale"] is None
    cli.sim(counts=dict.fromkeys(NAMES, 7))
    assert cli("stats", cli.names(*NAMES)).code == 0
    run = cli("runs", "show", "--json").json
    assert run["backlog"] == {"chunks": 0, "records": 0, "age_s": None}
    assert run["dropped"] == 0
    provider = cli("providers", "show", "--json").json
    assert provider["backlog"] == {"runs": 0, "chunks": 0, "records": 0, "age_s": None}
    assert provider["scale"]["slots_usable"] == provider["scale"]["interactive"] == 0
    assert "backlog    none" in cli("runs", "show").out


def test_dropped_is_what_a_person_dropped(cli: Cli) -> None:
    """Of the run, and of its provider; nothing else ever is."""
    bad = NAMES[:2]
    scenario = Scenario(name="bad", behaviours=(Fail(names=tuple(bad), status=500),))
    cli.sim(scenario, counts=dict.fromkeys(NAMES, 7))
    assert cli("stats", cli.names(*NAMES)).code == 0
    assert cli("runs", "show", "--json").json["dropped"] == 0
    assert cli("failures", "drop", "last", "--key", bad[0]).code == 0
    run = cli("runs", "show", "--json").json
    assert (run["open_failures"], run["dropped"]) == (1, 1)
    assert cli("providers", "show", "--json").json["dropped"] == 1
    assert "1 open, 1 dropped" in cli("runs", "show").out


def test_a_backlog_has_an_age(cli: Cli) -> None:
    """A run that waits for its provider: its records, for how long, and no slots for them."""
    cli.sim(Scenario(name="slow", latency_s=5.0), counts=dict.fromkeys(NAMES, 7))
    cli.set("VENTIL_RUN__CHUNK_SIZE", "10")
    names = cli.names(*NAMES)
    with subprocess.Popen(
        cli.command("stats", names, "--quiet"), cwd=cli.folder, stderr=subprocess.PIPE
    ) as process:
        deadline_s = time.monotonic() + 30
        while not ((found := cli("runs", "list", "--json")).code == 0 and found.json):
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    run = cli("runs", "show", "--json").json
    assert run["backlog"]["records"] == len(NAMES)
    assert run["backlog"]["chunks"] == 6
    assert run["backlog"]["age_s"] is not None  # by two processes' clocks: it may be 0.0
    assert "about 60 records of 1 run" in cli("providers", "show").out
    cli("providers", "pause", "npm-downloads")
    assert cli("providers", "show", "--json").json["scale"]["slots_usable"] == 0
    cli("providers", "resume", "npm-downloads")
    scale = cli("providers", "show", "--json").json["scale"]
    assert (scale["workers"], scale["slots_used"]) == (0, 0)
    assert 1 <= scale["slots_usable"] <= 4
    assert scale["batch"] <= scale["interactive"]
