"""The last good values that a former artefact still shows, for when the ledger is lost.

A job that runs where only the artefact is kept (a workflow that commits it, a machine set up
anew) has no ledger of the days before. What could not be fetched then is carried from the
artefact that stands, with its age: a failure never wipes a good value. It must be the same
job's: its report names the provider and the period.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ventil.core.fold import Published, publish
from ventil.core.model import Good, Interval, Sample, Status

_DOUBTFUL = (Status.FAILED, Status.SUSPECT)


@dataclass
class Former:
    """The artefact at *output*, read when it is first needed. Files that are none are ignored.

    `same_job` says of a report whether its numbers may be compared with those to come.
    """

    output: Path
    report: Path
    ecosystem: str
    same_job: Callable[[dict[str, Any]], bool]

    def carried(self, record: Published) -> Published:
        """*record*, with the value that was published last when it has none of its own."""
        if record.value is not None or record.status not in _DOUBTFUL:
            return record
        good = self._good(record.key)
        sample = Sample(record.key, record.status, detail=record.detail)
        return record if good is None else publish(record.key, sample, good)

    def _good(self, key: str) -> Good | None:
        try:
            value = self._packages[key]["downloads"][self.ecosystem]
        except (KeyError, TypeError):
            return None
        if type(value) is not int or value < 0:
            return None
        return Good(value, self._interval, self._as_of.get(key, self._updated_s))

    @cached_property
    def _packages(self) -> dict[str, Any]:
        """What it shows; nothing when it is not the same job's."""
        try:
            report = json.loads(self.report.read_bytes())
            if not self.same_job(report):
                return {}
            stats = json.loads(self.output.read_bytes())
            self._updated_s = _seconds(stats["updated"])
            days = report["period"]
            self._interval = Interval(
                dt.date.fromisoformat(days["start"]), dt.date.fromisoformat(days["end"])
            )
            self._as_of = {
                record["key"]: _seconds(record["as_of"])
                for record in report["records"]
                if record["as_of"] is not None
            }
            return dict(stats["packages"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}


def _seconds(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()
