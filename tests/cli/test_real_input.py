"""Real catalogues and counts: what is published is exactly what was recorded.

The shipped sample is always there. The recorded catalogue and counts of a public Construct
Hub are used where they are: in the folder that VENTIL_SHARED_DATA names, or in
`../shared/data` beside the project.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from commandline import Cli

from ventil.sim.npm import Scenario
from ventil.sim.npm.counts import sample, sample_catalogue
from ventil.sim.npm.load import named_or_file
from ventil.sim.npm.scenario import (
    Fail,
    Garble,
    Quota,
    Refuse,
    Reset,
    RetryAfter,
    Spoil,
    Truncate,
    Unknown,
    Zero,
)

# Read before any test, whose environment has no VENTIL_ variable in it.
SHARED = Path(
    os.environ.get("VENTIL_SHARED_DATA")
    or Path(__file__).resolve().parents[3] / "shared" / "data"
)
NEEDS_SHARED = pytest.mark.skipif(
    not (SHARED / "construct-hub-stats.json").exists(),
    reason="the recorded data is not here (VENTIL_SHARED_DATA names its folder)",
)

TROUBLE = {"carried", "unknown", "suspect", "failed"}


def recorded() -> dict[str, int]:
    """The 593 recorded numbers."""
    table = json.loads((SHARED / "construct-hub-stats.json").read_text())["packages"]
    return {name: entry["downloads"]["npm"] for name, entry in table.items()}


def faults(counts: Mapping[str, int], *, zeros: bool = False) -> Scenario:
    """Nearly everything that can go wrong, some of it about certain names, by seed.

    The zeros are those of packages that are clearly used, and only where there is a last
    good value: a whole week of zeros seen for the first time may be believed.
    """
    plain = [name for name in counts if not name.startswith("@")]
    scoped = [name for name in counts if name.startswith("@")]
    used = [name for name, count in counts.items() if count > 5000]
    return Scenario(
        name="faults",
        quotas=(Quota(limit=400, window_s=1.0, retry_after=RetryAfter.SECONDS),),
        gzip=True,
        behaviours=(
            Refuse(names=tuple(plain[3:60:19])),
            Refuse(names=(plain[0], plain[1]), together=True),
            Unknown(names=(plain[5], scoped[7])),
            Zero(names=(used[2], used[5]) if zeros else ("no-such-package",), last_days=7),
            Fail(names=(scoped[4], scoped[11]), status=500),
            Fail(status=502, after=40, count=4),
            Fail(status=503, retry_after="1", chance=0.01),
            Reset(chance=0.01),
            Truncate(chance=0.01),
            Garble(how=Spoil.HTML, chance=0.01),
            Garble(how=Spoil.INVALID_JSON, chance=0.01),
            Garble(how=Spoil.INTERVAL, chance=0.01),
            Garble(how=Spoil.MISSING, chance=0.01),
            Garble(how=Spoil.STRINGS, chance=0.01),
            Garble(how=Spoil.OTHER_PACKAGE, chance=0.01),
        ),
    )


def every_difference_is_named(cli: Cli, expected: dict[str, int]) -> dict[str, str]:
    """No number is wrong; whatever is missing stands in the report with a reason."""
    published, named = cli.stats(), cli.of_report()
    assert published == {name: expected[name] for name in published}
    missing = set(expected) - set(published)
    assert missing <= set(named)
    for entry in cli.report()["records"]:
        assert entry["status"] in TROUBLE
        assert entry["detail"]
    counts = cli.report()["counts"]
    assert counts["records"] == len(expected)
    assert counts["ok"] == len(expected) - len(named)
    return named


def only_zeros_are_asked_twice(asked: dict[str, int], counts: Mapping[str, int]) -> None:
    """A first zero is held against the days before; nothing else costs a second request."""
    assert all(times == 1 or not counts.get(name) for name, times in asked.items())
    assert max(asked.values()) <= 2


# -- the shipped sample ----------------------------------------------------------------------


def test_the_shipped_catalogue_is_published_exactly(cli: Cli) -> None:
    """Several majors of one package count once; one renamed package is unknown."""
    known = sample().by_name
    packages = json.loads(sample_catalogue().read_text())["packages"]
    names = dict.fromkeys(package["name"] for package in packages)
    sim = cli.sim()
    ended = cli("stats", sample_catalogue())
    assert ended.code == 0
    assert cli.stats() == {name: known[name] for name in names if name in known}
    assert set(cli.of_report()) == {name for name in names if name not in known}
    assert len(names) < len(packages)
    only_zeros_are_asked_twice(sim.report().names, known)


def test_every_name_of_the_shipped_sample_is_published_exactly(cli: Cli) -> None:
    """All recorded names, scoped and not, in the order of the catalogue."""
    known = dict(sample().by_name)
    cli.names(*known)
    sim = cli.sim(Scenario(gzip=True))
    assert cli("stats", "names.txt", "--tolerate", "0%").code == 0
    assert cli.stats() == known
    assert list(cli.stats()) == list(known)
    assert cli.of_report() == {}
    assert sim.report().violations == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_with_faults_every_difference_is_named(cli: Cli, seed: int) -> None:
    """Nothing is wrong in silence; a calm replay then completes the same artefact."""
    known = dict(sample().by_name)
    cli.names(*known)
    sim = cli.sim(faults(known), seed=seed)
    ended = cli("stats", "names.txt", "--tolerate", "60%")
    assert ended.code == 0, ended
    named = every_difference_is_named(cli, known)
    assert "unknown" in named.values()
    assert "failed" in named.values()
    sim.play("calm")
    assert cli("failures", "replay", "last", "--quiet").code == 0
    named = every_difference_is_named(cli, known)
    assert set(named.values()) == {"unknown"}


def test_with_faults_on_the_second_day_nothing_is_lost(cli: Cli) -> None:
    """After a good day every number is there: today's, or the last good one with its age."""
    import contextlib
    import sqlite3

    known = dict(sample().by_name)
    cli.names(*known)
    sim = cli.sim()
    assert cli("stats", "names.txt").code == 0
    with contextlib.closing(sqlite3.connect(cli.folder / ".ventil/ventil.sqlite")) as db, db:
        db.execute("DELETE FROM sample")  # as if the day had passed
    sim.play(faults(known, zeros=True))
    assert cli("stats", "names.txt", "--tolerate", "60%").code == 0
    named = every_difference_is_named(cli, known)
    assert set(named.values()) == {"carried", "unknown"}
    gone = {name for name, status in named.items() if status == "unknown"}
    assert set(cli.stats()) == set(known) - gone
    for entry in cli.report()["records"]:
        assert (entry["as_of"] is not None) == (entry["status"] == "carried")


def test_the_hostile_preset_is_survived(cli: Cli) -> None:
    """The shipped worst day; short of patience for its hangs, but for nothing else."""
    known = dict(sample().by_name)
    packages = json.loads(sample_catalogue().read_text())["packages"]
    names = dict.fromkeys(p["name"] for p in packages)
    cli.sim(named_or_file("hostile"), seed=3)
    cli.set("VENTIL_PROVIDERS__NPM_DOWNLOADS__QUOTAS", "45/s")
    ended = cli("stats", sample_catalogue(), "--tolerate", "100%", "--json")
    assert ended.code == 0, ended
    published = cli.stats()
    # This one has two days of 0 at its end and 40 downloads on a usual day: too few to tell
    # a hole from a quiet weekend (see CLEARLY_USED in the recipe).
    published.pop("cdk-sns-notify", None)
    assert all(known[name] == number for name, number in published.items())
    assert set(names) - set(published) <= {*cli.of_report(), "cdk-sns-notify"}


# -- the recorded data -----------------------------------------------------------------------


@NEEDS_SHARED
def test_all_recorded_names_are_published_exactly(cli: Cli) -> None:
    """593 names against the recorded counts: `stats.json` equals the recording."""
    expected = recorded()
    assert len(expected) == 593
    sim = cli.sim(counts=expected)
    source = SHARED / "construct-hub-stats.json"
    assert cli("stats", source, "--tolerate", "0%").code == 0
    published = json.loads((cli.folder / "stats.json").read_text())
    assert published["packages"] == json.loads(source.read_text())["packages"]
    assert list(published["packages"]) == list(expected)
    assert cli.of_report() == {}
    only_zeros_are_asked_twice(sim.report().names, expected)


@NEEDS_SHARED
def test_the_recorded_catalogue_is_published_exactly(cli: Cli) -> None:
    """98 packages of a real `catalog.json`, those without a recorded count unknown."""
    expected = recorded()
    catalogue = SHARED / "construct-hub-catalog.json"
    names = dict.fromkeys(p["name"] for p in json.loads(catalogue.read_text())["packages"])
    cli.sim(counts=expected)
    assert cli("stats", catalogue, "--tolerate", "0%").code == 0
    assert cli.stats() == {name: expected[name] for name in names if name in expected}
    assert cli.of_report() == {name: "unknown" for name in names if name not in expected}


@NEEDS_SHARED
def test_all_recorded_names_with_faults(cli: Cli) -> None:
    """Every difference is named in the report."""
    expected = recorded()
    cli.names(*expected)
    cli.sim(faults(expected), counts=expected, seed=4)
    ended = cli("stats", "names.txt", "--tolerate", "60%")
    assert ended.code == 0, ended
    every_difference_is_named(cli, expected)
