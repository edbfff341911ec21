"""Scenarios from files, presets, and the shipped sample."""

from __future__ import annotations

import datetime as dt
import gzip
import importlib.util
import json
import tomllib
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from ventil.errors import SettingError, SourceError
from ventil.sim.npm import (
    PRESETS,
    Ban,
    Counting,
    Fail,
    NpmSim,
    Quota,
    Refuse,
    RetryAfter,
    Scenario,
    Zero,
    from_file,
    from_table,
    named_or_file,
    sample_catalogue,
)
from ventil.sim.npm.counts import Counts, load, sample

ROOT = Path(__file__).resolve().parents[3]

AFTERNOON = """
name = "a bad afternoon"
latency_s = 1

[[quotas]]
limit = 30
window_s = 60
counting = "bucket"
retry_after = "seconds"

[ban]
seconds = 120
extends = true

[[behaviours]]
kind = "fail"
status = 503
after = 10
for = 5

[[behaviours]]
kind = "zero"
names = ["alpha"]
days = [2026-11-16]
"""

EXPECTED = Scenario(
    name="a bad afternoon",
    latency_s=1.0,
    quotas=(
        Quota(
            limit=30, window_s=60.0, counting=Counting.BUCKET, retry_after=RetryAfter.SECONDS
        ),
    ),
    ban=Ban(seconds=120.0, extends=True),
    behaviours=(
        Fail(status=503, after=10, count=5),
        Zero(names=("alpha",), days=(dt.date(2026, 11, 16),)),
    ),
)


def test_a_scenario_is_read_from_toml_and_json(tmp_path):
    """Both give the same value; `for` is the count of requests."""
    toml = tmp_path / "afternoon.toml"
    toml.write_text(AFTERNOON)
    assert from_file(toml) == EXPECTED
    table = tomllib.loads(AFTERNOON)
    (tmp_path / "afternoon.json").write_text(json.dumps(table, default=str))
    assert named_or_file(str(tmp_path / "afternoon.json")) == EXPECTED


def test_a_scenario_may_start_from_a_preset():
    """`base` is kept but for what the table says."""
    made = from_table({"base": "npm", "latency_s": 0.5})
    assert made.quotas == PRESETS["npm"].quotas
    assert made.latency_s == 0.5


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"latencys": 1}, "unknown key 'latencys'"),
        ({"latency_s": "fast"}, "latency_s is 'fast'"),
        ({"latency_s": -1}, "latency_s is -1"),
        ({"quotas": [{"limit": 0, "window_s": 1}]}, r"quotas\[0\]: quota limit is 0"),
        ({"quotas": [{"limit": 5}]}, r"quotas\[0\].*window_s"),
        ({"quotas": {"limit": 5}}, "expected a list"),
        ({"ban": {"seconds": 0}}, "ban seconds is 0"),
        ({"ban": 5}, "ban is 5"),
        ({"behaviours": [{"kind": "hung"}]}, r"behaviours\[0\]: kind is 'hung'"),
        ({"behaviours": [{"kind": "fail", "chance": 2}]}, "chance is 2"),
        ({"behaviours": [{"kind": "fail", "statsu": 2}]}, "unknown key 'statsu'"),
        ({"base": "quiet"}, "base is 'quiet'"),
    ],
)
def test_mistakes_in_a_scenario_name_the_place(table, message):
    """Place, key and value are in the message."""
    with pytest.raises(SettingError, match=message):
        from_table(table, place="x.toml")


def test_a_file_that_is_no_scenario(tmp_path):
    """Broken TOML, a list, no such file."""
    broken = tmp_path / "broken.toml"
    broken.write_text("[[")
    a_list = tmp_path / "list.json"
    a_list.write_text("[]")
    for path in (broken, a_list, tmp_path / "none.toml"):
        with pytest.raises(SettingError, match=path.name):
            named_or_file(str(path))


def test_presets_are_there_by_name():
    """The names that the documentation promises."""
    assert set(PRESETS) >= {"calm", "npm", "demo", "hostile", "unlimited"}
    assert all(name == scenario.name for name, scenario in PRESETS.items())


async def test_the_npm_preset_fits_what_was_observed(play):
    """0.5/s and 0.555/s hold; 1/s and a burst of 40 get an hour's ban without Retry-After."""
    for pace_s, held in ((2.0, True), (1.8, True), (1.0, False), (0.01, False)):
        async with play("npm") as bench:
            statuses = []
            for _ in range(200):
                statuses += await bench.statuses(1)
                bench.clock.advance(pace_s)
            assert (429 not in statuses) is held, pace_s
            if not held:
                assert statuses.index(429) <= 40
                bench.clock.advance(3600 - 250)
                target = "/downloads/point/last-week/alpha"
                got = await bench.get(target, **{"Accept-Encoding": "identity"})
                assert (got.status, got.body) == (429, b"error code: 1015")
                assert "Retry-After" not in got.headers


def test_the_demo_names_packages_of_the_shipped_catalogue():
    """Every name a behaviour of `demo` speaks of is in the catalogue and has a count."""
    catalogue = json.loads(sample_catalogue().read_text())
    listed = {package["name"] for package in catalogue["packages"]}
    counts = sample().by_name
    named = {name for behaviour in PRESETS["demo"].behaviours for name in behaviour.names}
    assert named <= listed & set(counts)
    zeros = [b for b in PRESETS["demo"].behaviours if isinstance(b, Zero)]
    assert all(counts[name] > 1000 for zero in zeros for name in zero.names)
    refused = [b for b in PRESETS["demo"].behaviours if isinstance(b, Refuse)]
    assert [name for b in refused for name in b.names if name.startswith("@")] == []


async def test_the_demo_meets_all_that_it_promises(play):
    """One ban of two seconds after 14 requests; a refused name, a zero, a failing name."""
    async with play("demo", counts=None, jumps=True) as bench:
        assert await bench.statuses(15, "cdk-nag") == [200] * 14 + [429]
        assert (await bench.point("cdk-nag")).status == 429
        bench.clock.advance(2)
        assert (await bench.point("cdk-constants,cdk-iam-generator")).status == 403
        assert (await bench.point("cdk-constants")).json["downloads"] == 0
        month = (await bench.get("/downloads/range/last-month/cdk-constants")).json
        assert sum(day["downloads"] for day in month["downloads"]) > 10_000
        assert await bench.statuses(3, "@aws-cdk/aws-ecs") == [500] * 3
        assert await bench.statuses(30, "cdk-nag") == [200] * 30
        assert bench.sim.report().bans == 1


async def test_the_hostile_preset_answers_and_misbehaves(play):
    """Some answers are good, many are not, and the same seed gives the same."""
    runs = []
    for _ in range(2):
        seen: Counter[str] = Counter()
        async with play("hostile", counts=None, jumps=True, seed=4) as bench:
            for _ in range(150):
                bench.clock.advance(0.1)
                try:
                    seen[str((await bench.point("cdk-nag")).status)] += 1
                except aiohttp.ClientError as error:
                    seen[type(error).__name__] += 1
            runs.append((seen, bench.sim.report().by_behaviour))
        assert seen["200"] > 75
        assert len(seen) >= 5
    assert runs[0] == runs[1]


# Counts


def test_the_shipped_sample_is_real_small_and_varied():
    """Hundreds of names, scoped ones, zeros; several majors of one name; tens of kB."""
    counts = sample()
    assert counts.window_days == 7
    assert 200 <= len(counts.by_name) <= 600
    assert sum(name.startswith("@") for name in counts.by_name) > 100
    assert sum(count == 0 for count in counts.by_name.values()) > 20
    catalogue = sample_catalogue()
    names = Counter(p["name"] for p in json.loads(catalogue.read_text())["packages"])
    assert 60 <= len(names) <= 120
    assert max(names.values()) >= 2
    assert set(names) - set(counts.by_name) == {"@aws-cdk/cdk"}
    for path in (catalogue, catalogue.with_name("counts.json")):
        assert path.stat().st_size < 60_000


def test_the_script_that_derives_the_sample(tmp_path, capsys):
    """From a hub's two files to ours, in the shapes that are shipped."""
    path = ROOT / "scripts" / "sim_sample.py"
    spec = importlib.util.spec_from_file_location("sim_sample", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    entry = {"name": "@s/a", "version": "1.2.3", "description": "left out", "languages": {}}
    hub = {"updated": "t", "packages": [entry, {**entry, "name": "b"}]}
    stats = {"updated": "t", "packages": {n: {"downloads": {"npm": 5}} for n in ("@s/a", "b")}}
    for name, value in (("hub.json", hub), ("stats.json", stats)):
        (tmp_path / name).write_text(json.dumps(value))
    arguments = [str(tmp_path / "hub.json"), str(tmp_path / "stats.json"), str(tmp_path)]
    assert script.main(arguments) == 0
    made = json.loads((tmp_path / "catalog.json").read_text())
    assert [sorted(p) for p in made["packages"]] == [["languages", "name", "version"]] * 2
    assert load(tmp_path / "counts.json").by_name == {"@s/a": 5, "b": 5}
    assert script.main([]) == 2
    assert "CATALOG.json" in capsys.readouterr().err


def test_counts_are_read_from_each_kind_of_file(tmp_path):
    """stats.json is weekly, lines are monthly unless their header names a week."""
    lines = "name\tdownloads_a_month\nalpha\t30\n@s/b\t0\n"
    stats = json.dumps({"packages": {"alpha": {"downloads": {"npm": 30}}}, "updated": "t"})
    for name, data, days in (
        ("counts.tsv", lines.encode(), 30),
        ("counts.tsv.gz", gzip.compress(lines.encode()), 30),
        ("bare.tsv", b"alpha\t30\n", 30),
        ("weekly.tsv", b"name\tdownloads_a_week\nalpha\t30\n", 7),
        ("stats.json", stats.encode(), 7),
        ("plain.json", b'{"alpha": 30}', 7),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        counts = load(path)
        assert (counts.by_name["alpha"], counts.window_days) == (30, days), name
        assert load(path, "last-day").window_days == 1


@pytest.mark.parametrize(
    "data",
    [
        b'{"packages": {"a": {}}}',
        b'{"a": -1}',
        b'{"a": "5"}',
        b'{"a": true}',
        b"{",
        b"name\tcount\nalpha\tmany\n",
        b"\xff\xfe",
        b"\x1f\x8b\x08rubbish",
    ],
)
def test_a_counts_file_that_is_none_is_refused(tmp_path, data):
    """SourceError with the file's name."""
    path = tmp_path / "counts.json"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"counts\.json"):
        load(path)


def test_a_count_of_another_window_is_refused():
    """`counts_are` must be a period."""
    with pytest.raises(SourceError):
        Counts({}, 0)


async def test_the_default_counts_are_the_sample():
    """Without counts, the shipped ones are served."""
    async with NpmSim() as sim:
        assert sim.scenario.name == "calm"
        assert sim.url.startswith("http://127.0.0.1:")
