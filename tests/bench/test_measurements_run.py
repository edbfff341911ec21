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


def quick(name: str, output: Path) -> dict[str, Any]:
    """What a measurement's command finds with --quick."""
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    ended = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--quick", "--output", str(output)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
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
