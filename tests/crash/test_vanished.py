"""What is taken away between a kill and the next start: folders, files, the queue."""

from __future__ import annotations

import shutil

import pytest
from crash_bench import CALM, COUNTS, OpenBench

STATS = ("stats", "names.txt")
ALL = {"packages": {name: {"downloads": {"npm": count}} for name, count in COUNTS.items()}}


@pytest.mark.slow
def test_the_place_of_the_artefact_has_vanished(bench: OpenBench) -> None:
    """A clear message; when the folder is back the same command publishes, asking nobody."""
    job = bench(CALM)
    (job.folder / "public").mkdir()
    command = (*STATS, "-o", "public/stats.json")
    assert job.kill_at("artefact.before", *command).code == -9
    (job.folder / "public").rmdir()
    ended = job.run(*command)
    assert ended.code == 2, ended.said
    assert "public does not exist" in ended.said
    (job.folder / "public").mkdir()
    before = job.requests
    assert job.run(*command).code == 0
    assert job.requests == before
    assert (job.folder / "public" / "stats.json").exists()


@pytest.mark.slow
def test_the_state_folder_has_vanished(bench: OpenBench) -> None:
    """Without its memory it starts anew, and publishes the same."""
    job = bench(CALM)
    job.kill_under_way(10, *STATS)
    shutil.rmtree(job.folder / ".ventil")
    ended = job.run(*STATS)
    assert ended.code == 0, ended.said
    assert job.artefact() == ALL


@pytest.mark.slow
def test_the_queue_has_vanished_or_is_damaged(bench: OpenBench) -> None:
    """The ledger alone is enough to go on; a damaged queue is named with its remedy."""
    job = bench({**CALM, "latency_s": 0.06})
    job.kill_under_way(8, *STATS)
    state = job.folder / ".ventil"
    for path in state.glob("ventil.queue.sqlite*"):
        path.unlink()
    job.kill_under_way(8, *STATS)
    for path in state.glob("ventil.queue.sqlite*"):
        path.unlink()
    (state / "ventil.queue.sqlite").write_bytes(b"no database at all" * 500)
    ended = job.run(*STATS)
    assert ended.code == 1, ended.said
    assert "ventil.queue.sqlite" in ended.said
    assert "mv " in ended.said
    assert "Traceback" not in ended.said
    (state / "ventil.queue.sqlite").rename(state / "ventil.queue.sqlite.damaged")
    ended = job.run(*STATS)
    assert ended.code == 0, ended.said
    assert job.artefact() == ALL
    job.nothing_stored_is_asked_again()
