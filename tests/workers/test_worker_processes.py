"""Many workers are one client: nothing lost, nothing twice, no limit broken, whatever dies."""

from __future__ import annotations

import json
import signal

import pytest

from conftest import Site, ended
from postgres_server import PostgresServer
from ventil.cli import main
from ventil.sim.npm.scenario import Fail, Quota, Scenario

NAMES = [f"@s/p{number}" for number in range(240)]
MOST_IN_FLIGHT = 6
CALM = Scenario(
    name="counting",
    # The settings say half a second more: on a machine that is busy with other things a
    # request may arrive that much later after its sending than another one.
    quotas=(Quota(limit=45, window_s=1.0),),
    latency_s=0.05,
    max_in_flight=MOST_IN_FLIGHT,
)
PACED = {"quotas": ["45/1500ms"], "max_in_flight": MOST_IN_FLIGHT, "timeout": "3s"}

pytestmark = pytest.mark.slow


def finished(site: Site) -> int:
    """Chunks that are finished."""
    [(count,)] = site.rows("SELECT count(*) FROM ventil.chunk WHERE finished")
    return int(count)


def test_whatever_dies(site: Site, postgres: PostgresServer) -> None:
    """One worker is killed, one stopped until it is given up, one leaves, one comes late, the
    database crashes: the artefact is complete, and repeated is only what was in flight."""
    sim = site.sim(CALM, NAMES, **PACED)
    one, two, three = site.worker(), site.worker(), site.worker()
    stats = site.start("stats", "names.json", "--tolerate", "0%")
    site.until(lambda: finished(site) >= 3)
    one.send_signal(signal.SIGKILL)
    site.until(lambda: finished(site) >= 7)
    two.send_signal(signal.SIGSTOP)
    site.worker()
    site.until(lambda: bool(site.rows("SELECT 1 FROM ventil.worker WHERE gone = 'silent'")))
    postgres.crash()
    postgres.start()
    three.send_signal(signal.SIGTERM)
    two.send_signal(signal.SIGCONT)
    code, _, err = ended(stats)
    assert code == 0, err
    assert site.artefact() == dict.fromkeys(NAMES, 7)
    assert three.wait(60) == 0
    report = sim.report()
    assert report.violations == 0
    assert report.max_in_flight <= MOST_IN_FLIGHT
    assert set(report.answered) == set(NAMES)
    assert sum(report.answered.values()) - len(NAMES) <= 5 * MOST_IN_FLIGHT
    gone = {how for (how,) in site.rows("SELECT gone FROM ventil.worker")}
    assert {"ended", "left"} <= gone
    # The one that was stopped heard that it was given up, and joined again.
    site.until(
        lambda: (
            site.rows(
                "SELECT count(*) FROM ventil.worker WHERE gone IS NULL"
                " AND seen_s > extract(epoch FROM now()) - 3"
            )[0][0]
            == 2
        )
    )


def test_a_follower_may_be_closed(site: Site) -> None:
    """The workers go on; `runs watch` comes back to the run and publishes it."""
    site.sim(CALM, NAMES[:120], **PACED)
    worker = site.worker()
    stats = site.start("stats", "names.json")
    site.until(lambda: finished(site) >= 1)
    stats.send_signal(signal.SIGINT)
    code, _, err = ended(stats)
    assert code == 130
    assert "runs watch" in err
    assert not (site.folder / "stats.json").exists()
    site.until(lambda: finished(site) == 12)
    code, _, err = site.run("runs", "watch", "last")
    assert code == 0, err
    assert site.artefact() == dict.fromkeys(NAMES[:120], 7)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert site.rows("SELECT gone FROM ventil.worker") == [("left",), ("left",)][:1]


def test_every_command_without_a_worker(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`stats` works on its run itself; the other commands read and change the same state."""
    monkeypatch.chdir(site.folder)
    monkeypatch.setenv("VENTIL_DATABASE_URL", site.url)

    def command(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        found = main.run(words)
        out, err = capsys.readouterr()
        assert found == code, err
        return str(out)

    bad = NAMES[3]
    sim = site.sim(
        Scenario(name="bad", behaviours=(Fail(names=(bad,), status=500),)),
        NAMES[:20],
        quotas=["500/s"],
        max_in_flight=4,
        timeout="3s",
    )
    with open(site.folder / "ventil.toml", "a") as file:
        file.write("tries = 1\n")
    assert json.loads(command("plan", "names.json", "--json"))["to_ask"] == 20
    command("stats", "names.json", "--tolerate", "0%", code=3)
    assert bad in command("failures", "list", "--json")
    assert [r["state"] for r in json.loads(command("runs", "list", "--json"))] == ["partial"]
    sim.play("calm")
    command("failures", "replay", "last")
    assert site.artefact() == dict.fromkeys(NAMES[:20], 7)
    [run] = json.loads(command("runs", "list", "--json"))
    assert (run["state"], run["requests"]["sent"]) == ("done", sim.report().requests + 20)
    command("providers", "pause", "npm-downloads", "--reason", "a test")
    assert "a test" in command("providers", "list", "--json")
    command("providers", "resume", "npm-downloads")
    command("doctor")
    command("runs", "cancel", "last", code=2)


def test_a_worker_that_cannot(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a shared database, a known provider or a schema it says so, with exit code 2."""
    site.sim(CALM, NAMES[:1])
    monkeypatch.chdir(site.folder)
    monkeypatch.setenv("VENTIL_DATABASE_URL", site.url)
    empty = site.url.rpartition("/")[0] + "/postgres"
    for words, hint in (
        (("--database", "sqlite:///here.sqlite"), "shared database"),
        (("--providers", "npm-donwloads"), "npm-downloads"),
        (("--providers", ","), "nobody"),
        (("--slots", "0"), "too few"),
        (("--database", empty), "ventil db upgrade"),
    ):
        assert main.run(("worker", *words)) == 2
        err = capsys.readouterr().err
        assert hint in err
        assert "let%20me%20in" not in err
