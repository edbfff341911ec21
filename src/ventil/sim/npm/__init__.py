"""npm's download-counts API, simulated: exact counts, faults on demand, its own judge.

It shares no code with the client it is there to test. `NpmSim` serves in an event loop,
`run` as a process; `Scenario` says what goes wrong and `Report` what the client did.
"""

from ventil.sim.npm.clock import Clock, ManualClock, SystemClock
from ventil.sim.npm.counts import Counts, sample_catalogue
from ventil.sim.npm.load import from_file, from_table, named_or_file
from ventil.sim.npm.main import add_arguments, main, run
from ventil.sim.npm.presets import PRESETS
from ventil.sim.npm.scenario import (
    Ban,
    Behaviour,
    Bomb,
    Counting,
    Delay,
    Endless,
    Fail,
    Fields,
    Garble,
    Hang,
    Huge,
    Page,
    Quota,
    Redirect,
    Refuse,
    Reset,
    RetryAfter,
    Scenario,
    Slow,
    Spoil,
    Truncate,
    Unknown,
    When,
    Zero,
)
from ventil.sim.npm.server import NpmSim
from ventil.sim.npm.tally import QuotaReport, Report

__all__ = [
    "PRESETS",
    "Ban",
    "Behaviour",
    "Bomb",
    "Clock",
    "Counting",
    "Counts",
    "Delay",
    "Endless",
    "Fail",
    "Fields",
    "Garble",
    "Hang",
    "Huge",
    "ManualClock",
    "NpmSim",
    "Page",
    "Quota",
    "QuotaReport",
    "Redirect",
    "Refuse",
    "Report",
    "Reset",
    "RetryAfter",
    "Scenario",
    "Slow",
    "Spoil",
    "SystemClock",
    "Truncate",
    "Unknown",
    "When",
    "Zero",
    "add_arguments",
    "from_file",
    "from_table",
    "main",
    "named_or_file",
    "run",
    "sample_catalogue",
]
