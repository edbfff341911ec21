"""Workers whose machines are an hour off, one ahead and one behind."""

from __future__ import annotations

import pytest

from conftest import Site, ended
from ventil.sim.npm.scenario import Quota, Scenario

NAMES = [f"@s/p{number}" for number in range(60)]
COUNTED = Scenario(
    name="counting",
    quotas=(Quota(limit=30, window_s=1.0),),
    latency_s=0.05,
    max_in_flight=4,
)

pytestmark = pytest.mark.slow


def worker(site: Site, hours: int) -> None:
    """A worker whose machine's clock is that much ahead."""
    wrong = site.folder / f"ahead {hours}"
    wrong.mkdir()
    (wrong / "sitecustomize.py").write_text(
        "import time\n"
        "right, right_ns = time.time, time.time_ns\n"
        f"time.time = lambda: right() + {3600 * hours}\n"
        f"time.time_ns = lambda: right_ns() + {3600 * hours} * 10**9\n"
    )
    path = site.environ["PYTHONPATH"]
    site.environ["PYTHONPATH"] = f"{wrong}:{path}"
    site.worker()
    site.environ["PYTHONPATH"] = path


def test_workers_an_hour_off(site: Site) -> None:
    """The database's time counts: no limit is broken, nothing is early, late or asked twice."""
    sim = site.sim(COUNTED, NAMES, quotas=["30/1500ms"], max_in_flight=4, timeout="5s")
    for hours in (1, -1):
        worker(site, hours)
    in_ = {name for (name,) in site.rows("SELECT id FROM ventil.worker")}
    code, _, err = ended(site.start("stats", "names.json", "--tolerate", "0%"))
    assert code == 0, err
    assert site.artefact() == dict.fromkeys(NAMES, 7)
    report = sim.report()
    assert report.violations == 0
    assert report.max_in_flight <= 4
    assert report.answered == dict.fromkeys(NAMES, 1)
    [(early_s, late_s)] = site.rows(
        "SELECT min(fetched_s) - extract(epoch FROM now())::float8,"
        " max(fetched_s) - extract(epoch FROM now())::float8 FROM ventil.sample"
    )
    assert -600 < early_s <= late_s < 60
    assert {name for (name,) in site.rows("SELECT worker FROM ventil.run_part")} <= in_
    assert site.rows("SELECT gone FROM ventil.worker WHERE gone IS NOT NULL") == []
