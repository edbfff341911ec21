"""The changelog job: from a catalogue of packages to a run, and from a run to a site."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ventil.adapters.sql import SqlStore
from ventil.changelog.finder import ECOSYSTEMS, Manners, Package, find
from ventil.changelog.recipe import ChangelogRecipe, key_of, package_in
from ventil.core.fold import Counts
from ventil.core.model import Interval
from ventil.core.period import Period
from ventil.engine.prepare import Job
from ventil.errors import SettingError
from ventil.ports import Reporter, Run, Workbench
from ventil.providers.npm_names import name_fault as npm_name_fault
from ventil.sources.catalogue import Catalogue
from ventil.sources.packages import Named, read_packages
from ventil.wiring.asked import Asked, Result
from ventil.wiring.execution import run_job
from ventil.wiring.served import CHANGELOGS, changelog_names, changelogs_key
from ventil.wiring.workshop import Workshop

PERIODS = ("day", "week", "month")
"""How long an answer settles a package whose version does not change."""

_LONGEST_NAME = 214
_MOST_PROCESSES = 4


@dataclass(frozen=True, slots=True)
class Changelogs:
    """The kind of job: a document a package from many providers, published as a site."""

    defers = False

    @property
    def providers(self) -> tuple[str, ...]:
        """Every registry and code host that the finder may name."""
        return changelog_names()

    def recipe(self, workshop: Workshop) -> ChangelogRecipe:
        """The finder, with GraphQL where a token for GitHub is configured."""
        token = workshop.settings.provider("github").credential is not None
        search = partial(find, manners=Manners(graphql=token))
        return ChangelogRecipe(search, {n: workshop.base_url(n) for n in self.providers})

    def key(self, workshop: Workshop) -> str:
        """Of all of them together; see `changelogs_key`."""
        return changelogs_key(workshop)

    def side_by_side(self, workshop: Workshop) -> int:
        """All of a chunk: each goes its own way, and some will wait."""
        return workshop.settings.run.chunk_size

    def workbench(self) -> AbstractAsyncContextManager[Workbench]:
        """Processes for what strangers wrote: one for each processor but one, at most four."""
        from ventil.adapters.workbench import Workbench as Processes

        spare = (os.cpu_count() or 2) - 1
        return Processes(processes=max(1, min(_MOST_PROCESSES, spare)))

    def check_output(self, output: Path) -> None:
        """Raise OutputError when the site could not be written there."""
        from ventil.publish.changelogs import check_site

        check_site(output)

    async def publish(
        self,
        workshop: Workshop,
        run: Run,
        store: SqlStore,
        tallies: Mapping[str, Any],
        workbench: Workbench | None,
        *,
        suspended: str | None,
    ) -> tuple[Counts, bool]:
        """Write the site and its report; the counts."""
        from ventil.changelog.render.pages import Site
        from ventil.wiring.site import publish_site

        settings = workshop.settings.changelogs
        counts = await publish_site(
            run,
            store,
            tallies,
            workbench,
            site=Site(title=settings.title, base=settings.base_url),
            now_s=workshop.clock.now_s(),
            suspended=suspended,
        )
        return counts, False


def package_of(text: str, ecosystem: str) -> Package:
    """The package that a person names. Raises SourceError, SettingError."""
    asked = Asked(text, text.encode(), Path(), "day", 0.0, 0.0, ecosystem=ecosystem)
    return package_in(read(asked).records[0])


def read(asked: Asked) -> Catalogue:
    """The catalogue's packages as keys, and its problems. Raises SourceError, SettingError."""
    if asked.ecosystem not in ECOSYSTEMS:
        raise SettingError(
            f"--ecosystem {asked.ecosystem!r} is not known",
            hint=f"one of {', '.join(ECOSYSTEMS)}; or package URLs in the catalogue",
        )
    return read_packages(
        asked.data,
        name=asked.catalogue,
        faults=_FAULTS,
        key_of=_key_of,
        ecosystem=asked.ecosystem,
    )


def job_of(workshop: Workshop, asked: Asked, catalogue: Catalogue) -> Job:
    """The job that was asked for. Raises SettingError for a bad period."""
    today = dt.datetime.fromtimestamp(workshop.clock.now_s(), dt.UTC).date()
    period = period_of(asked.period, today)
    kind = Changelogs()
    key = kind.key(workshop)
    output = str(asked.output.absolute())
    return Job(
        name=f"{CHANGELOGS} {period.name} -> {output}",
        provider_key=key,
        series=f"{key}/{period.name}",
        keys=catalogue.records,
        period=period,
        output=output,
        refresh=asked.refresh,
        tolerate=asked.tolerate,
        chunk_size=workshop.settings.run.chunk_size,
    )


def period_of(name: str, today: dt.date) -> Period:
    """The day, week (from Monday) or month that *today* is in. Raises SettingError.

    Its `today` is its first day: an answer on any of its days settles a package for all.
    """
    if name == "day":
        start = end = today
    elif name == "week":
        start = today - dt.timedelta(days=today.weekday())
        end = start + dt.timedelta(days=6)
    elif name == "month":
        start = today.replace(day=1)
        end = (start + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    else:
        raise SettingError(
            f"--period {name!r} is not known", hint=f"one of {', '.join(PERIODS)}"
        )
    return Period(name, Interval(start, end), start)


async def run(
    workshop: Workshop, asked: Asked, catalogue: Catalogue, reporter: Reporter
) -> Result:
    """Run the job: resume or plan, look, publish. Raises VentilError before the run."""
    kind = Changelogs()
    kind.check_output(asked.output)
    job = job_of(workshop, asked, catalogue)
    return await run_job(workshop, kind, job, reporter, max_wait_s=asked.max_wait_s)


def _key_of(named: Named) -> str:
    return key_of(Package(named.ecosystem, named.name, named.version))


def _plain_fault(name: str) -> str | None:
    """Why *name* cannot be a package at PyPI, RubyGems or crates.io, which are alike here."""
    if not name:
        return "is empty"
    if len(name) > _LONGEST_NAME:
        return f"is {len(name)} characters long"
    if not (name.isascii() and name[0].isalnum()):
        return "does not begin with a letter or digit"
    if not all(letter.isalnum() or letter in "._-" for letter in name):
        return "holds more than letters, digits, dots, hyphens and underscores"
    return None


_FAULTS: dict[str, Callable[[str], str | None]] = {
    "npm": npm_name_fault,
    "pypi": _plain_fault,
    "gem": _plain_fault,
    "cargo": _plain_fault,
}
