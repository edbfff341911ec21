"""`ventil providers set`: what it says, keeps and refuses, and that a run notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from commandline import PROVIDER, Cli, Ended

from ventil.sim.npm.scenario import Scenario


def elsewhere(cli: Cli) -> None:
    """The provider is somebody's, with its shipped limits."""
    cli.set(PROVIDER + "BASE_URL", "https://stats.example.org")
    for name in ("QUOTAS", "MAX_IN_FLIGHT", "COOLDOWN", "TIMEOUT"):
        cli.patch.delenv(PROVIDER + name, raising=False)


def test_set_show_unset(cli: Cli) -> None:
    """It stands in `show` with where it comes from, until it is unset."""
    elsewhere(cli)
    ended = cli("providers", "set", "npm-downloads", "quotas=0.1/s", "cooldown=2h")
    assert (ended.code, ended.out) == (0, "cooldown = 2h\nquotas = 0.1/s\n")
    shown = cli("providers", "show", "npm-downloads", "--json").json
    assert "0.1/s" in shown["quotas"]
    assert shown["cooldown_s"] == 7200.0
    assert shown["set"] == {"quotas": "0.1/s", "cooldown": "2h"}
    assert shown["sources"]["quotas"] == "ventil providers set"
    assert "quotas comes from ventil providers set" in cli("providers", "show").out
    ended = cli("providers", "set", "npm-downloads", "--unset", "quotas", "--unset", "cooldown")
    assert (ended.code, ended.out) == (0, "")
    assert cli("providers", "show", "--json").json["set"] == {}


def test_what_is_refused(cli: Cli) -> None:
    """Loosening, unknown keys and providers: exit 2, and what would do."""
    elsewhere(cli)
    for words, said in (
        (("npm-downloads", "max_in_flight=100"), "i_have_permission = true"),
        (("npm-downloads", "quotas=100/s"), "i_have_permission = true"),
        (("npm-downloads", "timeout=3s"), "quotas, max_in_flight"),
        (("npm-donwloads", "max_in_flight=1"), "npm-downloads"),
    ):
        ended = cli("providers", "set", *words)
        assert ended.code == 2
        assert said in ended.said


def test_a_run_under_way_notices(cli: Cli) -> None:
    """Many a second, then one an hour: the run stops where it is, and goes on when that is
    taken back.
    """
    names = [f"@s/p{number}" for number in range(300)]
    sim = cli.sim(Scenario(name="counting"), counts=dict.fromkeys(names, 7))
    cli.set(PROVIDER + "QUOTAS", "20/s")
    file = cli.names(*names)
    done: list[Ended] = []
    job = threading.Thread(
        target=lambda: done.append(
            cli.process("stats", file, "--max-wait", "3h", timeout_s=240)
        )
    )
    job.start()
    until(lambda: sim.report().requests >= 5)
    assert cli("providers", "set", "npm-downloads", "quotas=1/h").code == 0
    seen = -1

    def stands_still() -> bool:
        nonlocal seen
        before, seen = seen, sim.report().requests
        return before == seen

    until(stands_still, every_s=1.5)
    assert seen < len(names)
    assert cli("providers", "set", "npm-downloads", "quotas=500/s").code == 0
    job.join()
    [ended] = done
    assert ended.code == 0, ended.said
    assert ended.err.count("its limits were changed") == 2
    assert len(cli.stats()) == len(names)


def until(found: Callable[[], bool], *, every_s: float = 0.05) -> None:
    """Return when *found* says so."""
    deadline_s = time.monotonic() + 120
    while not found():
        assert time.monotonic() < deadline_s
        time.sleep(every_s)
