"""Every command as its users meet it: streams, JSON, exit codes, and what it does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from commandline import NAMES, PROVIDER, Cli, Sim
from cyclopts import App

from ventil.cli.main import app, main
from ventil.sim.npm import Fail, Refuse, Scenario, Unknown

BROKEN = Scenario(behaviours=(Fail(names=("@s/pack-0", "@s/pack-1"), status=500),))
"""Two records that never get an answer."""


def commands(of: App, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command that does something."""
    for name in of:
        if name.startswith("-"):
            continue
        below = list(commands(of[name], (*above, name)))
        yield from below or [(*above, name)]


# -- help ------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", list(commands(app)), ids=" ".join)
def test_the_help_of_every_command_has_an_example(cli: Cli, words: tuple[str, ...]) -> None:
    """The example is a command of that name; it goes to stdout, and asks for nothing."""
    ended = cli(*words, "--help")
    assert ended.code == 0
    assert f"Example: ventil {' '.join(words)}" in " ".join(ended.out.split())
    assert ended.err == ""


@pytest.mark.parametrize("columns", ["20", "40", "80", "200"])
def test_help_on_any_terminal(cli: Cli, columns: str) -> None:
    """Narrow ones too; never wider than it is."""
    cli.set("COLUMNS", columns)
    for words in ((), ("stats",), ("runs", "show")):
        ended = cli(*words, "--help")
        assert ended.code == 0
        assert max(map(len, ended.out.splitlines())) <= max(40, int(columns))


def test_version_and_no_arguments(cli: Cli) -> None:
    """The version alone; without arguments, the help."""
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", cli("--version").out)
    assert "Usage: ventil" in cli().out


# -- usage -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stat", "names.txt"], "stat"),
        (["stats"], "catalogue"),
        (["stats", "names.txt", "more.txt"], "more.txt"),
        (["stats", "names.txt", "--perriod", "last-week"], "--perriod"),
        (["stats", "names.txt", "--period", "yesterday"], "period 'yesterday': not a period"),
        (["stats", "names.txt", "--period", "2026-13-40"], "there is no day 2026-13-40"),
        (["stats", "names.txt", "--period", "2026-02-10:2026-02-01"], "starts after its end"),
        (["stats", "names.txt", "--period", "2999-01-01"], "is in the future"),
        (["stats", "names.txt", "--period", "1999-01-01"], "no counts before 2015-01-10"),
        (["stats", "names.txt", "--period", "2020-01-01:2024-01-01"], "npm answers for 547"),
        (["stats", "names.txt", "--period", ""], "period ''"),
        (["stats", "names.txt", "--tolerate", "lots"], "--tolerate 'lots'"),
        (["stats", "names.txt", "--tolerate", "101%"], "--tolerate '101%'"),
        (["stats", "names.txt", "--tolerate=-1%"], "--tolerate '-1%'"),
        (["stats", "names.txt", "--tolerate", "-1%"], "--tolerate '-1%'"),
        (["stats", "names.txt", "--tolerate", "nan"], "--tolerate 'nan'"),
        (["stats", "names.txt", "--max-wait", "soon"], "--max-wait 'soon'"),
        (["stats", "names.txt", "--max-wait=-5s"], "--max-wait '-5s'"),
        (["stats", "names.txt", "--max-wait", "1e400"], "--max-wait '1e400'"),
        (["stats", "names.txt", "--database", "mysql://x/y"], "database_url"),
        (["stats", "names.txt", "--database", "state.sqlite"], "state.sqlite"),
        (["stats", "names.txt", "--database", "sqlite:///"], "must name a file"),
        (["stats", "names.txt", "--database", "sqlite://:memory:"], "must name a file"),
        (["stats", "names.txt", "--config", "none.toml"], "none.toml"),
        (["stats", "names.txt", "-o"], "-o requires an argument"),
        (["stats", "names.txt", "-o", ""], "directory"),
        (["runs", "list", "--limit", "many"], "many"),
        (["runs", "show", "no-such-run"], "no-such-run"),
        (["providers", "show", "npm-download"], "npm-downloads"),
        (["providers", "pause", "packagist"], "packagist"),
        (["sim", "cargo"], "cargo"),
        (["sim", "npm", "--scenario", "clam"], "clam"),
        (["sim", "npm", "--port", "99999"], "99999"),
        (["sim", "npm", "--counts", "nowhere.json"], "nowhere.json"),
        (["sim", "npm", "--speed", "0"], "speed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_wrong_is_named(cli: Cli, world: Sim, words: list[str], said: str) -> None:
    """Exit 2, one short message that names the value, nothing sent, nothing on stdout."""
    assert cli("stats", "names.txt", "--quiet").code == 0
    before = world.report().requests
    ended = cli(*words)
    assert ended.code == 2
    assert ended.out == ""
    assert said in ended.err
    assert ended.err.startswith("error: ")
    assert len(ended.err) < 700
    assert world.report().requests == before


def test_a_database_url_gives_no_password_away(cli: Cli) -> None:
    """Not in an error, and not in what doctor says."""
    cli.names("pack-1")
    for url in ("postgresql://me:hunter2@db/x", "mysql://me:hunter2@db/x"):
        for words in (("stats", "names.txt"), ("runs", "list"), ("doctor",)):
            ended = cli(*words, "--database", url)
            assert ended.code in (1, 2)
            assert "hunter2" not in ended.said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run]\nchunk_sise = 5", ["run.chunk_sise", "ventil.toml line 2", "chunk_size"]),
        ("[providers.npm-download]\ntimeout = '1s'", ["npm-download", "npm-downloads"]),
        ("[run]\nretries = 'often'", ["run.retries", "often", "line 2"]),
        ("[run]\nretry_delay = '-3m'", ["run.retry_delay", "-3m"]),
        ("[providers.npm-downloads]\nquotas = ['9/s']", ["9/s", "i_have_permission"]),
        ("[providers.npm-downloads]\nmax_in_flight = 50", ["max_in_flight", "50"]),
        ("[providers.npm-downloads]\ncooldown = '1s'", ["cooldown", "1s"]),
        ("[providers.npm-downloads]\nquotas = ['fast']", ["fast"]),
        ("[providers.npm-downloads]\nbase_url = 'ftp://x'", ["base_url", "ftp://x"]),
        ('[providers.npm-downloads]\ncontact = "a\\r\\nX-Evil: 1"', ["contact"]),
        ('[providers.npm-downloads]\nbase_url = "http://x/\\u001b[2J"', ["base_url"]),
        ("[run\nx", ["ventil.toml", "not TOML"]),
    ],
)
def test_a_wrong_setting_is_named(cli: Cli, text: str, said: list[str]) -> None:
    """Key, value and place; every command that reads settings says so."""
    cli.names("pack-1")
    for name in [name for name in os.environ if name.startswith("VENTIL_")]:
        cli.patch.delenv(name)
    (cli.folder / "ventil.toml").write_text(text)
    for words in (("plan", "names.txt"), ("runs", "list"), ("stats", "names.txt")):
        ended = cli(*words)
        assert ended.code == 2
        assert ended.out == ""
        for word in said:
            assert word in ended.err
    assert cli("doctor").code == 1


def test_a_wrong_variable_is_named(cli: Cli) -> None:
    """With the nearest one that is known."""
    cli.names("pack-1")
    cli.set("VENTIL_RUN__CHUNK_SIZ", "5")
    ended = cli("plan", "names.txt")
    assert ended.code == 2
    assert "VENTIL_RUN__CHUNK_SIZ is not a setting" in ended.err
    assert "VENTIL_RUN__CHUNK_SIZE" in ended.err


# -- stats and plan --------------------------------------------------------------------------


def test_plan_sends_nothing_and_leaves_nothing(cli: Cli, world: Sim) -> None:
    """Not even a connection; no state, no artefact."""
    ended = cli("plan", "names.txt")
    assert ended.code == 0
    assert "requests    5 (1 of several names, 4 of one)" in ended.out
    assert ended.err == ""
    data = cli("plan", "names.txt", "--json").json
    assert (data["records"], data["requests"], data["settled"]) == (16, 5, 0)
    assert world.report().requests == world.report().connections == 0
    assert {p.name for p in cli.folder.iterdir()} == {"names.txt"}


def test_stats_then_again(cli: Cli, world: Sim) -> None:
    """The second command of a day asks nobody and publishes again; plan knows it too."""
    first = cli("stats", "names.txt", "--json")
    assert first.code == 0
    assert first.json["state"] == "done"
    assert first.json["counts"]["ok"] == len(NAMES)
    assert cli.stats() == NAMES
    (cli.folder / "stats.json").unlink()
    second = cli("stats", "names.txt", "--json").json
    assert second["counts"]["settled_before"] == len(NAMES)
    assert world.report().requests == 5
    assert cli.stats() == NAMES
    assert cli("plan", "names.txt", "--json").json["requests"] == 0


def test_refresh_asks_again_and_only_then(cli: Cli, world: Sim) -> None:
    """Every record once more, whatever is settled."""
    assert cli("stats", "names.txt").code == 0
    assert cli("plan", "names.txt", "--refresh", "--json").json["requests"] == 5
    assert cli("stats", "names.txt", "--refresh").code == 0
    assert set(world.report().answered.values()) == {2}
    assert cli.stats() == NAMES


def test_a_refresh_that_fails_keeps_what_was_settled(cli: Cli, world: Sim) -> None:
    """A failure never wipes a good value, today's either."""
    assert cli("stats", "names.txt").code == 0
    world.play(BROKEN)
    cli("stats", "names.txt", "--refresh")
    assert cli.stats() == NAMES


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ("last-day", 1),
        ("last-week", 7),
        ("last-month", 30),
        ("2026-03-01", 1),
        ("2026-03-01:2026-03-14", 14),
    ],
)
def test_periods(cli: Cli, period: str, days: int) -> None:
    """The report says which days were answered for; each period has its own ledger."""
    cli.names("pack-1")
    sim = cli.sim(counts={"pack-1": 70_000})
    assert cli("stats", "names.txt", "--period", period).code == 0
    found = cli.report()["period"]
    import datetime as dt

    start, end = (dt.date.fromisoformat(found[key]) for key in ("start", "end"))
    assert (end - start).days + 1 == days
    assert found["name"] == period
    assert cli.stats()["pack-1"] > 0
    assert cli("stats", "names.txt", "--period", "2026-05-05").code == 0
    assert sim.report().requests == 2


def test_two_catalogues_into_two_outputs(cli: Cli, world: Sim) -> None:
    """In one state folder: what the first has settled the second does not ask."""
    cli.names("pack-1", "pack-2", "@s/pack-0", file="a.txt")
    cli.names("pack-2", "pack-3", "@s/pack-0", file="b.txt")
    assert cli("stats", "a.txt", "-o", "a.json").code == 0
    assert cli("stats", "b.txt", "-o", "b.json").code == 0
    assert set(cli.stats("a.json")) == {"pack-1", "pack-2", "@s/pack-0"}
    assert set(cli.stats("b.json")) == {"pack-2", "pack-3", "@s/pack-0"}
    assert set(world.report().answered.values()) == {1}
    assert len(cli("runs", "list", "--json").json) == 2


def test_the_same_output_from_two_catalogues(cli: Cli, world: Sim) -> None:
    """The later one is what is published; going on with the older one is refused."""
    world.play(BROKEN)
    cli.names("pack-1", "@s/pack-0", file="a.txt")
    cli.names("pack-2", file="b.txt")
    first = cli("stats", "a.txt", "--json").json
    assert first["exit_code"] == 3
    time.sleep(0.01)
    assert cli("stats", "b.txt").code == 0
    assert set(cli.stats()) == {"pack-2"}
    ended = cli("failures", "replay", first["run"])
    assert ended.code == 2
    assert "has no open failures" in ended.err
    with contextlib.closing(sqlite3.connect(cli.folder / ".ventil/ventil.sqlite")) as db, db:
        db.execute("UPDATE run SET state = 'cancelled' WHERE id = ?", (first["run"],))
    ended = cli("runs", "resume", first["run"])
    assert ended.code == 2
    assert "is out of date" in ended.err
    assert set(cli.stats()) == {"pack-2"}


def test_unknown_packages_are_an_answer(cli: Cli, world: Sim) -> None:
    """They are named in the report, cost nothing of the tolerance and are not asked again."""
    world.play(Scenario(behaviours=(Unknown(names=("pack-3", "@s/pack-2")),)))
    assert cli("stats", "names.txt", "--tolerate", "0%").code == 0
    assert cli.of_report() == {"pack-3": "unknown", "@s/pack-2": "unknown"}
    assert cli("plan", "names.txt", "--json").json["requests"] == 0


# -- failures --------------------------------------------------------------------------------


def test_failures_are_listed_shown_replayed_into_the_same_artefact(
    cli: Cli, world: Sim
) -> None:
    """After the replay the records are ok in the artefact and gone from the report."""
    assert cli("stats", "names.txt", "--period", "last-month").code == 0
    world.play(BROKEN)
    ended = cli("stats", "names.txt", "--json")
    assert ended.code == 3
    run = ended.json["run"]
    assert cli.of_report() == {"@s/pack-0": "failed", "@s/pack-1": "failed"}
    assert "@s/pack-0" not in cli.stats()
    listed = cli("failures", "list")
    assert listed.out.splitlines()[0].split() == ["run", "record", "status", "tries", "state",
                                                  "why"]  # fmt: skip
    data = cli("failures", "list", "last", "--json").json
    assert [row["key"] for row in data] == ["@s/pack-0", "@s/pack-1"]
    assert data[0]["request"].startswith("GET /downloads/")
    assert data[0]["request"].endswith("/last-week/@s/pack-0")
    assert data[0]["attempts"] >= 2
    shown = cli("failures", "show", "@s/pack-1")
    assert "500" in shown.out
    assert cli("failures", "show", "@s/pack-1", "--json").json[0]["run"] == run

    world.play("calm")
    ended = cli("failures", "replay", "last", "--json")
    assert ended.code == 0
    assert ended.json["run"] == run
    assert world.report().names == {"@s/pack-0": 1, "@s/pack-1": 1}
    assert cli.stats() == NAMES
    assert cli.of_report() == {}
    assert cli.report()["run"] == run
    assert "empty" in cli("failures", "list").err
    assert cli("failures", "list", "--all", "--json").json[0]["state"] == "replayed"
    assert cli("runs", "show", run, "--json").json["state"] == "done"


def test_one_failure_is_replayed_one_is_dropped(cli: Cli, world: Sim) -> None:
    """`--key` chooses; what is dropped is not replayed any more."""
    world.play(BROKEN)
    assert cli("stats", "names.txt").code == 3
    assert cli("failures", "replay", "--key", "left-pad").code == 2
    ended = cli("failures", "drop", "last", "--key", "@s/pack-1")
    assert ended.code == 0
    assert "dropped 1" in ended.err
    world.play("calm")
    assert cli("failures", "replay", "--key", "@s/pack-0").code == 3  # 1 of 16 is above 5%
    assert cli.of_report() == {"@s/pack-1": "failed"}
    ended = cli("failures", "replay")
    assert ended.code == 2
    assert "no open failures" in ended.err


def test_refused_names_are_found_by_bisection_and_named(cli: Cli, world: Sim) -> None:
    """One refused name costs itself, not its batch."""
    world.play(Scenario(behaviours=(Refuse(names=("pack-7",)),)))
    assert cli("stats", "names.txt", "--tolerate", "10%").code == 0
    assert cli.of_report() == {"pack-7": "failed"}
    assert "403" in cli("failures", "list").out


# -- live runs -------------------------------------------------------------------------------


@contextmanager
def live(cli: Cli, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, killed at the end if it is still there."""
    process = subprocess.Popen(
        cli.command(*words),
        cwd=cli.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(condition: object, *, within_s: float = 20.0) -> None:
    """Wait for a process: poll *condition*."""
    assert callable(condition)
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to pass"
        time.sleep(0.02)


SLOW = 100


@pytest.fixture
def slow(cli: Cli) -> Sim:
    """Scoped packages at 20 requests a second: a run of some seconds."""
    names = {f"@s/slow-{n}": 1000 + n for n in range(SLOW)}
    cli.names(*names)
    sim = cli.sim(counts=names)
    cli.set(PROVIDER + "QUOTAS", "20/s")
    return sim


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_an_interrupted_run_goes_on(
    cli: Cli, slow: Sim, number: signal.Signals, code: int
) -> None:
    """The signal's code, how to go on, and nothing asked twice."""
    with live(cli, "stats", "names.txt") as process:
        until(lambda: slow.report().requests > 10)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert f"interrupted by {number.name}; all answers so far are kept" in err
    assert "hint: the same command goes on from here" in err
    assert "Traceback" not in err
    assert cli("runs", "list", "--json").json[0]["state"] == "interrupted"
    cli.set(PROVIDER + "QUOTAS", "500/s")
    ended = cli("stats", "names.txt")
    assert ended.code == 0
    assert "resumed" in ended.err
    assert set(slow.report().answered.values()) == {1}
    assert len(cli.stats()) == SLOW


def test_quiet_silences_progress_and_not_endings(cli: Cli, slow: Sim) -> None:
    """With --quiet an interrupted run still says how to go on; a good one says nothing."""
    with live(cli, "stats", "names.txt", "--quiet") as process:
        until(lambda: slow.report().requests > 5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert out == ""
    assert err.splitlines() == [
        "interrupted by SIGINT; all answers so far are kept",
        "hint: the same command goes on from here",
    ]
    cli.set(PROVIDER + "QUOTAS", "500/s")
    ended = cli("stats", "names.txt", "--quiet")
    assert ended.said == ""


def test_a_live_run_is_watched_paused_resumed_and_cancelled(cli: Cli, slow: Sim) -> None:
    """From other processes; each acts within a moment, and says what it did."""
    cli.set(PROVIDER + "QUOTAS", "4/s")  # long enough for any machine to start a watcher
    with live(cli, "stats", "names.txt") as process:
        until(lambda: slow.report().requests > 5)
        watch = subprocess.Popen(
            cli.command("runs", "watch", "last"),
            cwd=cli.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert watch.stderr is not None
        assert watch.stderr.readline().startswith("running: ")
        assert cli("runs", "list", "--json").json[0]["state"] == "running"
        busy = cli("stats", "names.txt", "-o", "other.json", "--max-wait", "0s")
        assert busy.code == 75
        assert f"is in use by process {process.pid}" in busy.err
        assert cli("providers", "pause", "npm-downloads", "--reason", "asked to").code == 0
        assert "paused: asked to" in cli("providers", "list").out
        time.sleep(0.7)
        sent = slow.report().requests
        time.sleep(0.5)
        assert slow.report().requests == sent < SLOW
        assert cli("providers", "show", "--json").json["paused"] == "asked to"
        assert "held by     paused: asked to" in cli("plan", "names.txt").out
        assert cli("providers", "resume", "npm-downloads").code == 0
        until(lambda: slow.report().requests > sent)
        ended = cli("runs", "cancel", "last")
        assert ended.code == 0
        assert "will stop" in ended.err
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "was cancelled" in err
        _, watched = watch.communicate(timeout=20)
        assert watch.returncode == 0
        assert "cancelled:" in watched
    assert "paused" in json.dumps(cli("runs", "show", "--json").json["waits_s"])
    cli.set(PROVIDER + "QUOTAS", "500/s")
    assert cli("runs", "resume", "last").code == 0
    assert set(slow.report().answered.values()) == {1}
    assert len(cli.stats()) == SLOW
    ended = cli("runs", "resume", "last")
    assert ended.code == 2
    assert "is over (done)" in ended.err
    assert cli("runs", "cancel", "last").code == 2


def test_a_killed_run_is_called_killed(cli: Cli, slow: Sim) -> None:
    """Also while another run works in the same folder."""
    with live(cli, "stats", "names.txt") as process:
        until(lambda: slow.report().requests > 5)
        process.kill()
        process.wait()
    assert cli("runs", "list", "--json").json[0]["state"] == "killed"
    cli.names(*(f"@s/slow-{n}" for n in range(SLOW)), file="again.txt")
    with live(cli, "stats", "again.txt", "-o", "b.json") as process:
        until(lambda: len(cli("runs", "list", "--json").json) == 2)
        states = [row["state"] for row in cli("runs", "list", "--json").json]
        assert states == ["running", "killed"]
        ended = cli("runs", "cancel", cli("runs", "list", "--json").json[1]["run"])
        assert "is cancelled" in ended.err
        process.kill()


# -- streams ---------------------------------------------------------------------------------


def test_json_is_all_that_is_on_stdout(cli: Cli, world: Sim) -> None:
    """One JSON value from every command that offers it, in every state of things."""
    world.play(BROKEN)
    assert cli("stats", "names.txt", "--json").json["exit_code"] == 3
    for words in (
        ("plan", "names.txt"),
        ("runs",),
        ("runs", "list"),
        ("runs", "show"),
        ("failures",),
        ("failures", "list", "--all"),
        ("failures", "show", "@s/pack-0"),
        ("failures", "replay"),
        ("providers",),
        ("providers", "list"),
        ("providers", "show"),
        ("doctor",),
        ("stats", "names.txt", "--quiet"),
    ):
        ended = cli(*words, "--json")
        assert ended.json is not None
        assert ended.code in (0, 3, 75)
    world.play("calm")
    assert cli("stats", "names.txt", "--json").json["state"] == "done"


def test_without_a_terminal_there_is_no_escape_and_no_carriage_return(
    cli: Cli, slow: Sim
) -> None:
    """Plain lines, one at a time, also without NO_COLOR."""
    ended = cli.process("stats", "names.txt")
    assert ended.code == 0
    assert "\x1b" not in ended.said
    assert "\r" not in ended.said
    lines = ended.err.splitlines()
    assert lines[0].startswith("run ")
    assert lines[-1].startswith("published ")
    assert 3 <= len(lines) < 12
    assert ended.out == ""


def test_a_reader_that_goes_away_costs_nothing(cli: Cli, world: Sim) -> None:
    """`| head -1` on stdout or stderr: no traceback, and the run goes on to its end."""
    ventil = " ".join(cli.command())
    shell = f"cd '{cli.folder}'; "
    done = subprocess.run(
        ["bash", "-c", f"{shell} {ventil} stats --help | head -1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    done = subprocess.run(
        ["bash", "-c", f"{shell} ({ventil} stats names.txt; echo $? >code) 2>&1 | head -c 1"],
        capture_output=True,
        text=True,
        check=True,
    )
    until(lambda: (cli.folder / "code").exists() and (cli.folder / "code").read_text())
    assert (cli.folder / "code").read_text() == "0\n"
    assert cli.stats() == NAMES


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams(cli: Cli, world: Sim, closed: str) -> None:
    """As some schedulers start their jobs."""
    ventil = " ".join(cli.command())
    command = f"cd '{cli.folder}'; {ventil} stats names.txt --json {closed}; exit $?"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr
    if "2>&-" in closed and ">&- " not in closed:
        assert json.loads(done.stdout)["state"] == "done"
    assert cli.stats() == NAMES


def test_a_full_stdout_is_an_error(cli: Cli, world: Sim) -> None:
    """Data that could not be written is not passed over in silence."""
    command = f"cd '{cli.folder}'; {' '.join(cli.command())} plan names.txt > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr


def test_a_narrow_encoding_loses_letters_and_no_run(cli: Cli, world: Sim) -> None:
    """JSON stays JSON; texts get a stand-in."""
    folder = cli.folder / "größe"
    folder.mkdir()
    environ = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    words = ("stats", "names.txt", "-o", str(folder / "s.json"))
    ended = cli.process(*words, "--json", environ=environ)
    assert ended.code == 0
    assert ended.json["output"] == str(folder / "s.json")
    assert cli.process("runs", "list", environ=environ).code == 0
    assert cli.process("runs", "show", environ=environ).code == 0


def test_colour_only_for_terminals_that_want_it(cli: Cli) -> None:
    """NO_COLOR and TERM=dumb are respected by errors and by help."""
    import pty

    def seen(environ: dict[str, str], *words: str) -> str:
        parent, child = pty.openpty()
        process = subprocess.Popen(
            cli.command(*words),
            cwd=cli.folder,
            stdin=subprocess.DEVNULL,
            stdout=child,
            stderr=child,
            env={k: v for k, v in os.environ.items() if k != "NO_COLOR"} | environ,
        )
        os.close(child)
        text = b""
        try:
            while data := os.read(parent, 4096):
                text += data
        except OSError:
            pass
        process.wait()
        os.close(parent)
        return text.decode()

    colour = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")
    assert colour.search(seen({"TERM": "xterm"}, "plan", "none.txt"))
    for environ in ({"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}):
        for words in (("plan", "none.txt"), ("--help",), ("stats", "--perriod")):
            text = seen(environ, *words)
            assert not re.search(r"\x1b\[(3|4|9|10)\d", text), (environ, words)


def test_main_exits_with_the_code(cli: Cli) -> None:
    """The entry point of the installed command."""
    with pytest.raises(SystemExit) as stop:
        main(["plan", "nowhere.txt"])
    assert stop.value.code == 2


def test_an_unforeseen_error_is_one_line(cli: Cli, world: Sim) -> None:
    """A fault of ours shows no page of code, and says that it is ours."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of that")

    cli.patch.setattr("ventil.wiring.stats.job_of", broken)
    ended = cli("plan", "names.txt")
    assert ended.code == 1
    assert "internal error: ZeroDivisionError: nobody thought of that" in ended.err


# -- the rest --------------------------------------------------------------------------------


def test_sim_serves_until_it_is_told_to_stop(cli: Cli) -> None:
    """One line says where; a port in use is named; SIGTERM ends it in order."""
    with live(cli, "sim", "npm", "--port", "0", "--scenario", "calm") as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        cli.ask(url)
        cli.names("cdk-nag")
        assert cli("stats", "names.txt").code == 0
        taken = cli("sim", "npm", "--port", url.rpartition(":")[2])
        assert taken.code == 1
        assert "in use" in taken.err
        process.terminate()
        assert process.wait(10) == 0


def test_doctor(cli: Cli, world: Sim) -> None:
    """It sends nothing, and finds what is wrong."""
    cli("stats", "names.txt", "--quiet")
    before = world.report()
    ended = cli("doctor")
    assert ended.code == 0
    assert "BAD" not in ended.out
    assert world.report().connections == before.connections
    checks = {row["check"]: row["ok"] for row in cli("doctor", "--json").json}
    assert checks["settings"] is True
    assert checks["state"] is True


@pytest.mark.skipif(sys.platform == "win32", reason="no flock")
def test_resume_and_cancel_of_nothing(cli: Cli, world: Sim) -> None:
    """There is no run yet: `last` is nobody."""
    (cli.folder / ".ventil").mkdir()
    (cli.folder / ".ventil" / "ventil.sqlite").touch()
    for words in (("runs", "resume", "last"), ("runs", "cancel", "last"), ("runs", "show")):
        ended = cli(*words)
        assert ended.code == 2
        assert "there is no run 'last'" in ended.err
    assert "no runs yet" in cli("runs", "list").err


def test_a_suspended_run_asks_for_its_failed_records_again(cli: Cli) -> None:
    """Records that failed in an outage are not left failed by the run that goes on."""
    names = {f"@s/pack-{n}": 1000 + n for n in range(40)}
    cli.names(*names)
    sim = cli.sim(Scenario(behaviours=(Fail(status=503, after=2),)), counts=names)
    cli.set("VENTIL_RUN__CHUNK_SIZE", "2")
    cli.set("VENTIL_RUN__RETRIES", "0")
    cli.set("VENTIL_RUN__TRIES", "1")
    ended = cli("stats", "names.txt", "--max-wait", "300ms")
    assert ended.code == 75, ended
    assert cli("failures", "list", "--json").json
    sim.play("calm")
    ended = cli("stats", "names.txt", "--tolerate", "0%")
    assert ended.code == 0, ended
    assert cli.stats() == names
    assert cli("failures", "list", "--json").json == []


def test_a_later_run_takes_over_the_failures_of_an_earlier_one(cli: Cli, world: Sim) -> None:
    """The queue holds what can still be replayed; old runs are not kept for its sake."""
    world.play(BROKEN)
    first = cli("stats", "names.txt", "--json").json["run"]
    world.play("calm")
    time.sleep(0.01)
    assert cli("stats", "names.txt").code == 0
    assert cli("failures", "list", "--json").json == []
    old = cli("failures", "list", first, "--all", "--json").json
    assert {row["state"] for row in old} == {"superseded"}
