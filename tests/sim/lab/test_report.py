"""The lab's reports: random providers, goals, tables, pictures, and the command itself."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from ventil.sim import lab
from ventil.sim.lab import pictures
from ventil.sim.lab.__main__ import main
from ventil.sim.lab.chance import RANGES, random_scenario
from ventil.sim.lab.goals import check, quantile
from ventil.sim.lab.measure import measure
from ventil.sim.lab.tables import comparison, goal_lines, random_summary

if TYPE_CHECKING:
    from pathlib import Path


def test_the_two_ranges_share_no_number_and_hold_sixty_each() -> None:
    """What was tuned with is never what is judged by."""
    assert not set(RANGES["tuning"]) & set(RANGES["held-out"])
    assert [len(numbers) for numbers in RANGES.values()] == [60, 60]


def test_a_random_provider_is_a_function_of_its_number() -> None:
    """And the oracle can finish every one of the tuning range."""
    random_scenario.cache_clear()
    first = random_scenario(1_000)
    random_scenario.cache_clear()
    assert random_scenario(1_000) == first
    for number in list(RANGES["tuning"])[::7]:
        scenario = lab.scenario(f"R{number}")
        assert 300 <= scenario.n <= 60_000
        assert 1 <= scenario.provider.servers <= 400
        assert 1.0 < scenario.oracle_s(number) < 2_000


def test_random_providers_differ_in_kind() -> None:
    """Every kind of quota and event comes up, and providers without either."""
    providers = [random_scenario(number).provider for number in range(500, 700)]
    quotas = {type(quota) for p in providers for quota in p.quotas}
    events = {type(event) for p in providers for event in p.events}
    assert quotas == {lab.TokenBucket, lab.FixedWindow, lab.SlidingLog}
    assert events == {lab.CapacityDrop, lab.Outage, lab.Slowdown, lab.Delay}
    assert any(not p.quotas and not p.events for p in providers)
    assert any(p.hard_cap for p in providers)
    assert any(p.knee for p in providers)
    assert any(p.error_rate for p in providers)


def test_an_unknown_scenario_is_named_with_those_there_are() -> None:
    """Instead of a bare key."""
    with pytest.raises(KeyError, match="no scenario 'S9'; there are S1, S2"):
        lab.scenario("S9")


def test_quantiles_are_nearest_ranks() -> None:
    """p100 is the largest."""
    values = [float(k) for k in range(1, 61)]
    assert [quantile(values, share) for share in (0.5, 0.75, 0.9, 1.0)] == [31, 46, 55, 60]


def test_goals_take_the_worst_seed_and_say_where() -> None:
    """A client that misses a goal misses it by name; what was not run is not judged."""
    results = measure([(s, c, 0) for s in ("S7", "O2") for c in ("botocore", "rule2019")])
    goals = {(g.number, g.what): g for g in check(results, "botocore")}
    first = next(g for g in goals.values() if g.number == "G1")
    assert first.met is False
    assert first.measured.endswith("(S7)")
    outage = goals["G5", "requests into a 5-minute outage"]
    assert outage.met is False
    assert goals["G2", "makespan / oracle in L1"].met is None
    assert next(g for g in goals.values() if g.number == "G8").met is None
    assert "NOT MET |" in goal_lines(list(goals.values()))


def test_tables_mark_what_was_given_up() -> None:
    """With ">" before the extrapolated ratio."""
    results = measure([("S5", "aimd", 0), ("S5", "botocore", 0)])
    text = comparison(results)
    assert "| S5 | >" in text
    assert "### Makespan / oracle" in text
    assert "outage" not in text
    assert "unfinished" in random_summary(results)


def test_processes_change_nothing() -> None:
    """Two processes give the same results in the same order as one."""
    tasks = [("S7", "rule2019", 0), ("S7", "aimd", 0), ("S7", "aimd", 1)]
    assert measure(tasks, jobs=2) == measure(tasks)


def test_a_picture_is_well_formed_and_names_both() -> None:
    """SVG that any viewer opens, without a number that is not one."""
    text = pictures.picture("S7", ("botocore", "rule2019"))
    root = ET.fromstring(text)  # noqa: S314 - our own text
    assert root.tag.endswith("svg")
    assert "the rule of 2019" in text
    assert "nan" not in text


def test_the_command_prints_tables_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data on stdout, every single result in the file."""
    path = tmp_path / "lab.json"
    arguments = ["--scenario", "S7", "--client", "rule2019,aimd", "--seeds", "2"]
    assert main([*arguments, "--json", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "### Makespan / oracle" in out
    assert err.endswith(" s\n")
    rows = json.loads(path.read_text())["results"]
    assert [(row["client"], row["seed"]) for row in rows] == [
        ("rule2019", 0),
        ("rule2019", 1),
        ("aimd", 0),
        ("aimd", 1),
    ]
    assert {"ratio", "waste", "overload", "finished"} <= rows[0].keys()


def test_the_command_fails_when_a_goal_is_not_met(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1; and an unknown client is named."""
    assert main(["--goals", "--scenario", "S7", "--client", "rule2019", "--seeds", "1"]) == 1
    assert "NOT MET" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no client 'aimed'"):
        main(["--client", "aimed"])


def test_a_throttle_without_a_time_after_one_with_a_time_is_no_ban() -> None:
    """Two quotas, one that names a time and one that does not (random provider 1021)."""
    result = lab.run("R1021", "ventil", seed=1_021)
    assert result.finished
    assert result.ratio < 2
