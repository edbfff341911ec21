"""One simulator for all tests here, folders for their commands, and what is expected."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from crash_bench import (
    CALM,
    COUNTS,
    FAILING,
    MAX_IN_FLIGHT,
    QUOTA,
    Bench,
    OpenBench,
    Simulator,
    environment,
)


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator process for all tests here."""
    folder = tmp_path_factory.mktemp("simulator")
    (folder / "counts.json").write_text(json.dumps(COUNTS))
    log = folder / "requests.jsonl"
    serve = (sys.executable, "-m", "ventil.sim.npm", "calm", "--log", str(log))
    counts = ("--counts", "counts.json", "--counts-are", "last-week")
    process = subprocess.Popen(
        [*serve, *counts],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        word, url = process.stdout.readline().split()
        assert word == "listening"
        yield Simulator(url, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


@pytest.fixture
def bench(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenBench]:
    """Open a folder with a catalogue, its settings, and a simulator that plays a scenario.

    No command outlives its test.
    """
    benches: list[Bench] = []

    def opened(
        scenario: Mapping[str, Any] = CALM,
        names: Sequence[str] = tuple(COUNTS),
        **settings: str,
    ) -> Bench:
        folder = tmp_path_factory.mktemp("bench")
        (folder / "names.txt").write_text("\n".join(names) + "\n")
        simulator.play(scenario)
        provider = "VENTIL_PROVIDERS__NPM_DOWNLOADS__"
        given = {
            f"{provider}BASE_URL": simulator.url,
            f"{provider}QUOTAS": json.dumps([f"{QUOTA}/s"]),
            f"{provider}MAX_IN_FLIGHT": str(MAX_IN_FLIGHT),
            f"{provider}COOLDOWN": "2s",
            "VENTIL_RUN__CHUNK_SIZE": "8",
            "VENTIL_RUN__RETRY_DELAY": "0.3s",
        }
        benches.append(Bench(simulator, folder, given | settings, simulator.mark()))
        return benches[-1]

    yield opened
    for process in [process for one in benches for process in one.opened]:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    """The artefact of a run in which one record fails."""
    numbers = {n: {"downloads": {"npm": c}} for n, c in COUNTS.items() if n != FAILING}
    return {"packages": numbers}
