"""What `ventil demo changelogs` does: a week and the next against simulated hosts."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

from ventil.cli.console import number, say
from ventil.cli.demonstration import STATE, clean
from ventil.cli.progress import reporter_for
from ventil.cli.simulated_hosts import TOKEN, settings_of
from ventil.cli.stats import summary
from ventil.ports import Reporter
from ventil.sim.hosts import HostsSim, build
from ventil.sim.npm.clock import SystemClock
from ventil.wiring import Asked, Result, Workshop
from ventil.wiring import changelogs as job

_PACKAGES = 60
_WEEK_S = 7 * 86_400.0
_SPEED = 20.0  # of the hosts' clock: their limits are real ones, the wait for them is not


def run_changelog_demo(folder: Path) -> int:
    """Run both weeks; ends with the site's first page on stdout."""
    clean(folder)
    result = asyncio.run(_both_weeks(folder.absolute()))
    state = shlex.quote(f"sqlite:///{folder}/{STATE}/ventil.sqlite")
    say()
    say(f"Try: ventil runs show last --database {state}")
    print(f"{result.run.output}/index.html")
    return 0 if result.counts is not None else 1


async def _both_weeks(folder: Path) -> Result:
    world = build(_PACKAGES, seed=3)
    async with HostsSim(world, clock=SystemClock(_SPEED)) as sim:
        say(f"This week: {_PACKAGES} packages of npm, PyPI, RubyGems and crates.io, for the")
        say("first time. Their changelogs lie in repositories, archives, releases, or nowhere.")
        say()
        result = await _week(folder, sim, reporter_for(quiet=False), ahead_s=0.0)
        before = sum(sim.hosts.requests.values())
        say(f"the hosts themselves counted {number(before)} requests")
        say()
        say("Next week: the same packages, of which some have a new release.")
        world.release(0.1, seed=4)
        say()
        result = await _week(folder, sim, reporter_for(quiet=False), ahead_s=_WEEK_S)
        after = sum(sim.hosts.requests.values()) - before
        say(f"the hosts themselves counted {number(after)} requests")
    return result


async def _week(place: Path, sim: HostsSim, reporter: Reporter, *, ahead_s: float) -> Result:
    token = place / STATE / "token"
    token.write_text(TOKEN)
    workshop = Workshop.load(
        {
            **settings_of(sim),
            "providers.github.credential": f"file:{token}",
            "database_url": f"sqlite:///{place}/{STATE}/ventil.sqlite",
            "run.retry_delay": "2s",
            "run.chunk_size": 20,
        },
        ahead_s=ahead_s,
    )
    purls = [package.purl for package in sim.world.packages.values()]
    asked = Asked(
        catalogue="packages.txt",
        data="\n".join(purls).encode(),
        output=place / "changelogs",
        period="week",
        tolerate=0.1,
        max_wait_s=60.0,
    )
    result = await job.run(workshop, asked, job.read(asked), reporter)
    reporter.ended(summary(result))
    return result
