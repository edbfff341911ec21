"""Every measurement runs, in small: what stands in docs/benchmarks.md can be repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def quick(name: str, output: Path, *more: str) -> dict[str, Any]:
    """What a measurement's command finds with --quick."""
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    ended = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--quick", "--output", str(output), *more],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return dict(json.loads(output.read_text()))


@pytest.mark.parametrize("name", ["startup", "cost", "parts", "scale", "changelog_job"])
def test_it_runs_and_says_what_its_goals_are(name: str, tmp_path: Path) -> None:
    """A measurement ends well, checks the numbers fetched, and compares with its goals.

    Whether the goals are met depends on the machine, and is not asked here.
    """
    found = quick(name, tmp_path / "found.json")
    assert found["bench"] == name
    assert found["goals"] or name == "parts"
    assert all({"goal", "bound", "measured", "met"} == set(goal) for goal in found["goals"])


def test_the_original_loses_what_ventil_publishes(tmp_path: Path) -> None:
    """Under npm's limit, and with one broken package: more published, no ban, nothing lost."""
    found = quick("compare", tmp_path / "found.json")
    limited, ours, broken, ours_broken = found["rows"]
    assert limited["bans"] == 1
    assert limited["published"] < ours["published"] == found["packages"]
    assert ours["bans"] == ours["into_the_ban"] == ours["throttled"] == 0
    assert broken["published"] == 0
    assert ours_broken["published"] == found["packages"] - 1


def test_npm_as_it_is_costs_one_ban_a_machine_that_stalls_too(tmp_path: Path) -> None:
    """In virtual time, so its goals do not depend on the machine: they are met."""
    found = quick("npm_as_it_is", tmp_path / "found.json", "--seeds", "0")
    assert found["http"] is None
    assert all(goal["met"] for goal in found["goals"])
    stalling = next(r for r in found["virtual"]["rows"] if "stalls" in r["counting"])
    assert stalling["bans_most"] == 1
    assert stalling["next_day_bans_most"] == 0
    assert stalling["pace_least"] > 0.9


def test_the_lab_over_http_fetches_everything(tmp_path: Path) -> None:
    """One scenario, cut short, for ventil and one other client."""
    found = quick("http_lab", tmp_path / "found.json")
    assert {result["client"] for result in found["results"]} == {"ventil", "fixed10"}
    assert all(result["virtual"]["ratio"] > 0 for result in found["results"])


def test_workers_over_http_fetch_everything(tmp_path: Path) -> None:
    """Two real workers, a real Postgres, one scenario cut short."""
    found = quick("shared_pace", tmp_path / "found.json", "--workers", "2")
    [result] = found["results"]
    assert result["finished"]
    assert result["waste"] < 0.5
