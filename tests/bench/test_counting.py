"""The judge of limits counts by itself, and is judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.counting import could_arrive, excess, longest_pauses, most_in_flight
from bench.processes import VENTIL, environment, measured


def test_a_window_is_half_open() -> None:
    """Two arrivals a window's length apart are never in the same one."""
    assert excess([0.0, 0.5, 1.0, 1.5], (2, 1.0)).violations == 0
    found = excess([0.0, 0.5, 0.999, 1.4, 5.0], (2, 1.0))
    assert (found.violations, found.fullest) == (2, 3)
    assert found.times == (0.999,)


def test_in_flight_is_from_arrival_to_the_end_of_the_work() -> None:
    """Who ends at the moment of an arrival is over."""
    assert most_in_flight([0.0, 1.0, 2.0], [1.0, 2.5, 3.0]) == 2
    assert most_in_flight([], []) == 0


def test_what_could_have_arrived() -> None:
    """Every limit is used to the full; what came before the start is in the windows."""
    assert could_arrive([], [(2, 1.0)], 0.0, 3.0) == 6
    assert could_arrive([], [(2, 1.0), (3, 10.0)], 0.0, 10.5) == 5
    assert could_arrive([-0.5, -0.4, 0.2], [(2, 1.0)], 0.0, 1.0) == 2


def test_pauses_are_told_with_their_beginning() -> None:
    """The longest first; the edges count."""
    assert longest_pauses([1.0, 1.5, 4.0], 0.0, 5.0, 2) == [(2.5, 1.5), (1.0, 4.0)]


def test_the_provider_that_counts_is_believed(tmp_path: Path) -> None:
    """Its answers are good ones: else what is measured is how failures are tried again."""
    provider = subprocess.Popen(
        [sys.executable, "-m", "bench.counting_provider", "--latency", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert provider.stdout is not None
        url = provider.stdout.readline().split()[1]
        (tmp_path / "ventil.toml").write_text(
            f'[providers.npm-downloads]\nbase_url = "{url}"\nquotas = []\n'
        )
        (tmp_path / "names.json").write_text('["@s/one", "@s/two"]')
        for period in ("last-week", "2026-11-01:2026-11-07", "2026-11-01"):
            command = (*VENTIL, "stats", "names.json", "-o", "out.json", "--period", period)
            assert measured(command, tmp_path).exit_code == 0
            packages = json.loads((tmp_path / "out.json").read_text())["packages"]
            assert packages["@s/one"] == packages["@s/two"] == {"downloads": {"npm": 7}}
    finally:
        provider.kill()
        provider.wait()
