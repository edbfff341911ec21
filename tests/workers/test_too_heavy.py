"""A request that no quota will ever allow: its run ends and says so, on any database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import MOST_S, Site

PROGRAM = """
from ventil.core.exchange import Request
from ventil.own import OwnJob, Profile, main

PROFILE = Profile(
    name="heavy", title="Heavy", base_url="http://127.0.0.1:9", quotas=("5/10s",),
    max_in_flight=2, cooldown_s=60.0, timeout_s=5.0, latency_s=0.1, wants_contact=False,
    etiquette=(),
)


def fetch(key, period, good):
    yield Request("/" + key, weight=6)
    return []


if __name__ == "__main__":
    main(OwnJob(PROFILE, fetch, defers=False))
"""


@pytest.fixture
def heavy(site: Site) -> list[str]:
    """The command of a job whose requests weigh six where five are allowed."""
    program = site.folder / "heavy.py"
    program.write_text(PROGRAM)
    (site.folder / "records.txt").write_text("a\nb\n")
    return [sys.executable, str(program)]


def run(site: Site, heavy: list[str]) -> subprocess.CompletedProcess[str]:
    """The job, to its end."""
    return subprocess.run(
        [*heavy, "heavy", "records.txt", "-o", "out.jsonl"],
        cwd=site.folder, env=site.environ, capture_output=True, text=True, timeout=MOST_S,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("where", ["file", "shared", "elsewhere"])
def test_the_run_ends_and_says_why(site: Site, heavy: list[str], where: str) -> None:
    """In one process, worked on by its follower, and by a worker that is somewhere else."""
    if where == "file":
        site.environ["VENTIL_DATABASE_URL"] = f"sqlite:///{site.folder}/v.sqlite"
    worker = None
    if where == "elsewhere":
        worker = subprocess.Popen(
            [*heavy, "worker"], cwd=site.folder, env=site.environ,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert worker.stderr is not None
        assert "serves" in worker.stderr.readline()
    try:
        done = run(site, heavy)
    finally:
        if worker is not None:
            worker.terminate()
            worker.communicate(timeout=MOST_S)
    assert done.returncode == 2, done.stderr
    assert "weight 6 never fits into the quota 5/10s" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path(site.folder, "out.jsonl").exists()
