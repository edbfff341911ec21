"""The finder's measurement runs, in small, and its goals that do not depend on luck are met."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_finder_is_measured(tmp_path: Path) -> None:
    """At least 95 % found, no limit exceeded, fewer than three requests with a token."""
    output = tmp_path / "found.json"
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    subprocess.run(
        [sys.executable, "-m", "bench.finder", "--quick", "--output", str(output)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        timeout=300,
        capture_output=True,
    )
    goals = {goal["goal"]: goal for goal in json.loads(output.read_text())["goals"]}
    assert goals["found, at least"]["met"]
    assert goals["limits exceeded"]["met"]
    assert goals["requests per package with a token, at most"]["met"]
