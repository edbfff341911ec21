"""What `ventil demo` does: two days of the main job against a simulated npm."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import shlex
import shutil
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from ventil.cli.console import number, say
from ventil.cli.progress import reporter_for
from ventil.cli.stats import summary
from ventil.errors import OutputError
from ventil.ports import Reporter
from ventil.sim.npm import NpmSim
from ventil.wiring import Asked, Result, Workshop
from ventil.wiring import stats as job

_DAY_S = 86_400.0
STATE = "state"
_MARK = "made-by-ventil-demo"


def run_demo(folder: Path) -> int:
    """Run both days; ends with the artefact's path on stdout."""
    clean(folder)
    result = asyncio.run(_both_days(folder.absolute()))
    report = json.loads(Path(result.run.output).with_name("stats.report.json").read_text())
    say()
    say("What the report says of every record that is not ok:")
    for record in report["records"]:
        as_of = f" (value of {record['as_of'][:10]})" if record["as_of"] else ""
        say(f"  {record['key']:36} {record['status']:8} {record['detail']}{as_of}")
    say()
    state = shlex.quote(f"sqlite:///{folder}/{STATE}/ventil.sqlite")
    say(f"Try: ventil failures list --database {state}")
    print(result.run.output)
    return 0


def clean(folder: Path) -> None:
    """Make the folder; take away only what an earlier demo left there."""
    state = folder / STATE
    if state.exists():
        if not (state / _MARK).exists():
            raise OutputError(
                f"{state} was not made by the demo", hint="choose another with --folder"
            )
        shutil.rmtree(state)
    try:
        state.mkdir(parents=True)
        (state / _MARK).touch()
    except OSError as error:
        raise OutputError(f"cannot use the folder {folder}: {error.strerror}") from error


async def _both_days(folder: Path) -> Result:
    today = dt.datetime.now(dt.UTC).date()
    say("Yesterday: a calm npm, the catalogue for the first time.")
    async with NpmSim("calm", today=today - dt.timedelta(days=1)) as sim:
        await _day(folder, sim.url, reporter_for(quiet=True), ahead_s=-_DAY_S)
        # The same address is the same provider, with the same history.
        port = urlsplit(sim.url).port or 0
    say("Today: the simulated npm bans us once, refuses a name, has not settled two packages,")
    say("and fails three for good. Allowed here: 25 requests/s, 4 in flight, a 3 s cooldown.")
    say()
    reporter = reporter_for(quiet=False)
    async with NpmSim("demo", today=today, port=port) as sim:
        result = await _day(folder, sim.url, reporter, ahead_s=0.0)
        seen = sim.report()
    reporter.ended(summary(result))
    say(f"the simulator itself counted {number(seen.requests)} requests")
    return result


async def _day(place: Path, url: str, reporter: Reporter, *, ahead_s: float) -> Result:
    provider = "providers.npm-downloads"
    workshop = Workshop.load(
        {
            "database_url": f"sqlite:///{place}/{STATE}/ventil.sqlite",
            f"{provider}.base_url": url,
            f"{provider}.quotas": ["25/s"],
            f"{provider}.max_in_flight": 4,
            f"{provider}.cooldown": "3s",
            "run.retry_delay": "3s",
            "run.chunk_size": 20,
        },
        ahead_s=ahead_s,
    )
    asked = Asked(
        catalogue="catalog.json",
        data=resources.files("ventil.sim").joinpath("data/catalog.json").read_bytes(),
        output=place / "stats.json",
        period="last-week",
        tolerate=0.10,
        max_wait_s=60.0,
    )
    result = await job.run(workshop, asked, job.read(asked), reporter)
    if result.error is not None:
        raise result.error
    return result
