"""Jobs of your own, declared in a Python program: `ventil` with one command more.

::

    from ventil.own import OwnJob, Profile, main

    main(OwnJob(Profile(name="orders", ...), fetch))

The program has every command of `ventil`, and one named after the job, which runs it on a
list of records. Give its commands in its place where the job's runs are concerned: `python
orders.py runs resume last`, `python orders.py worker`. The how-to page "Collect later" shows
one whole; the reference page "ventil.own" tells of every name here.
"""

from ventil.cli.own import main
from ventil.core.exchange import (
    Await,
    Called,
    Fault,
    FaultKind,
    Issued,
    Known,
    Outcome,
    RateHint,
    Recall,
    Request,
    Response,
    TimeUp,
    Token,
    Verdict,
)
from ventil.core.model import Good, Interval, Kept, Sample, Status
from ventil.core.period import Period
from ventil.providers.profile import Profile
from ventil.wiring.own import OwnJob, judge_as_http_says

__all__ = [
    "Await",
    "Called",
    "Fault",
    "FaultKind",
    "Good",
    "Interval",
    "Issued",
    "Kept",
    "Known",
    "Outcome",
    "OwnJob",
    "Period",
    "Profile",
    "RateHint",
    "Recall",
    "Request",
    "Response",
    "Sample",
    "Status",
    "TimeUp",
    "Token",
    "Verdict",
    "judge_as_http_says",
    "main",
]
