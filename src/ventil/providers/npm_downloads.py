"""npm's download counts: how to ask politely, and when to believe the answer.

The API (npm/registry, docs/download-counts.md, read 2026-11)::

    GET /downloads/point/{period}/{name}     {"downloads", "start", "end", "package"}
    GET /downloads/point/{period}/{a},{b}    {name: the same object, or null}
    GET /downloads/range/{period}/{...}      "downloads" is a list of {"day", "downloads"}

How the recipe deals with what is not on that page:

- *Bulk* takes at most 128 unscoped names; one scoped name makes the whole batch 400, so
  scoped names are asked one by one. A batch of one is asked in the single form.
- *Refusals.* Some names and combinations meet a firewall rule: a 403 that comes again
  however often one asks. The batch is bisected breadth-first: both halves are asked before
  either is cut again, so refusals in a row stay few. After three in a row a single name
  goes first as a canary, to learn whether it is the names or us; after eight without
  anything else between, nothing more of the batch is sent.
- *Unknown* is a single 404 with npm's JSON, or null in bulk. A 404 of HTML says nothing of
  a package, and a name missing from a bulk answer was not answered.
- *Zeros lie.* Days that have not settled yet read 0, package by package (react read 0 on
  2026-09-03, 09-07 and 09-08), and a `point` over several days is a sum that hides them. So
  a recent period of several days is asked as a `range`, at the same number of requests,
  and a last day of 0 among days that are clearly not zero is not believed. A whole period
  of zeros is held against the last good value; where there is none yet, a second request
  looks at the days before.
- *Intervals* are compared with what was asked: see `ventil.core.period`.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median_low
from typing import Any

from ventil.core.exchange import Fetch, Known, Outcome, Reply, Request, Response, Verdict
from ventil.core.model import Good, Interval, Sample, Status
from ventil.core.outcome import judge_http
from ventil.core.period import Period
from ventil.providers import npm_replies as replies
from ventil.providers.npm_names import name_fault
from ventil.providers.npm_replies import Count, Trouble, Why
from ventil.providers.profile import Profile, Provider

BULK_NAMES = 128
"""Names in one request at most (docs/download-counts.md); 256 are answered with 400."""

BULK_DAYS = 365
"""Longest period in bulk: `exceeded max days of 365 for bulk query` beyond it."""

SINGLE_DAYS = 547
"""Longest period at all, 18 months; more is clipped silently (registry-issue-archive#206)."""

TARGET_CHARS = 2_000
"""Length of path and query that is safe everywhere; too long comes back as a 400."""

CLEARLY_NOT_ZERO = 10
"""A last good value, or a usual day, of this many downloads makes a zero doubtful.

Fewer can be nothing the next time. npm itself calls about 50 a day noise (2014).
"""

SURELY_NOT_ZERO = 1_000
"""A package once so used does not fall to nothing: its zeros are never believed."""

BELIEVE_AFTER_DAYS = 28
"""Below that, a zero still there so long after the last good value is believed."""

UNSETTLED_DAYS = 3
"""A single day this near to today may still read zero because it has not settled."""

CLEARLY_USED = 50
"""A usual day above which a last day of 0 is doubted: what npm itself calls signal (2014)."""

PAST_DAYS = 8
"""Days looked back over for a doubtful zero: its first and one of each weekday before."""

LONG_PAST_DAYS = 28
"""Days looked back over before a longer period of zeros; some of them may be holes too."""

CANARY_AFTER = 3
GIVE_UP_AFTER = 8

PROFILE = Profile(
    name="npm-downloads",
    title="npm download counts",
    base_url="https://api.npmjs.org",
    quotas=("0.45/s",),
    max_in_flight=1,
    cooldown_s=3600.0,
    timeout_s=30.0,
    latency_s=0.3,
    wants_contact=True,
    etiquette=(
        "No limits are published, and npm reserves the right to tighten them unannounced"
        " (npm blog, 2017-08).",
        "One request a second earns a temporary ban of the address; one in two seconds was"
        " let pass (nice-registry/download-counts#9, 2025-11-15).",
        "Throttles come as HTML or the text `error code: 1015`, without Retry-After"
        " (nice-registry/download-counts#8, 2025-11), hence an hour's cooldown.",
        "5 million requests a month over all of npm's services is called unreasonable"
        " (npm open-source terms, read 2026-11).",
        "There is no tier with a token (npm/documentation#1772, closed).",
    ),
)

_BULK_ROOM = TARGET_CHARS - len("/downloads/point/YYYY-MM-DD:YYYY-MM-DD/")
_UNKNOWN = "no such package at npm (one newer than about 48 hours looks unknown too)"


def period_fault(period: Period) -> str | None:
    """Why npm cannot answer for *period*; None when it can."""
    days = period.interval.days
    if days <= SINGLE_DAYS:
        return None
    return f"{period} is {days} days long, and npm answers for {SINGLE_DAYS} (18 months)"


def batches(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Cut *names* into what one request each asks about.

    Unscoped names come first, at most 128 in a batch and not more than fit into a safe
    URL; scoped ones come alone. Valid names stand in a URL as they are (`name_fault`), so
    their length there is their length. A name comes once for every time it is given.
    """
    scoped: list[str] = []
    batch: list[str] = []
    room = _BULK_ROOM
    for name in names:
        if name.startswith("@"):
            scoped.append(name)
            continue
        length = len(name) + 1
        if batch and (length > room or len(batch) == BULK_NAMES):
            yield tuple(batch)
            batch, room = [], _BULK_ROOM
        batch.append(name)
        room -= length
    if batch:
        yield tuple(batch)
    for name in scoped:
        yield (name,)


def judge(request: Request, reply: Reply, now_s: float) -> Outcome:
    """The reply's meaning to the governor: status and headers, corrected by the content.

    A throttle or ban page is a throttle whatever its status; an answer that is no answer
    (HTML, broken JSON) may be a provider that is unwell.
    """
    outcome = judge_http(reply, now_s)
    if not isinstance(reply, Response) or outcome.verdict is Verdict.THROTTLED:
        return outcome
    if reply.status == 200:
        if replies.is_answer(reply.body):
            return outcome
        # The keys do not matter here: what is wrong with all of an answer is wrong anyway.
        found = replies.read(reply, ())
        trouble = found if isinstance(found, Trouble) else None
    else:
        trouble = replies.trouble_of(reply)
    if trouble is None:
        return outcome
    if trouble.why is Why.THROTTLED:
        return replace(outcome, verdict=Verdict.THROTTLED, detail=trouble.detail)
    if trouble.why is Why.GARBLED or (trouble.why is Why.NOT_SERVED and reply.status == 404):
        return replace(outcome, verdict=Verdict.OVERLOADED, detail=trouble.detail)
    return outcome


def fetch(keys: Sequence[str], period: Period, good: Mapping[str, Good]) -> Fetch:
    """Ask about *keys*; what is yielded as known and what is returned is a sample for each.

    *good* has the last good values for the same period name, as far as there are any; they
    are only used to doubt zeros. Never raises for what the provider says.
    """
    done: list[Sample] = []
    askable: list[str] = []
    for key in dict.fromkeys(keys):
        fault = name_fault(key)
        if fault is None:
            askable.append(key)
        else:
            done.append(Sample(key, Status.FAILED, detail=f"not asked: the name {fault}"))
    zeros: dict[Interval, dict[str, Sample]] = {}
    unserved: list[str] = []  # by a mirror or a stand-in that knows only sums

    def look_at_days(key: str, entry: Any) -> Sample | None:
        if isinstance(entry, Trouble) and entry.why in (Why.NOT_SERVED, Why.NOT_FOUND):
            unserved.append(key)
            return None
        return first_look(key, entry)

    def first_look(key: str, entry: Any) -> Sample | None:
        sample = _sample(key, entry, period)
        zero = sample.interval if sample.value == 0 and sample.status is Status.OK else None
        if zero is None:
            return sample
        last = _recent(good.get(key), zero)
        if last is not None:
            return _doubted(sample, _doubt(last, zero))
        if not _may_be_unsettled(zero, period.today):
            return sample
        zeros.setdefault(zero, {})[key] = sample
        return None

    bulk = period.interval.days <= BULK_DAYS
    if _may_be_unsettled(period.interval, period.today) and period.interval.days > 1:
        done += yield from _ask("range", period.name, askable, look_at_days, bulk=bulk)
        askable = unserved
    if askable:
        done += yield from _ask("point", period.name, askable, first_look, bulk=bulk)
    for zero, held in zeros.items():

        def second_look(
            key: str, entry: Any, zero: Interval = zero, held: Mapping[str, Sample] = held
        ) -> Sample:
            return _doubted(held[key], _past_doubt(entry, key, zero))

        if done:
            yield Known(done)
        back = PAST_DAYS - 1 if zero.days == 1 else LONG_PAST_DAYS
        past = Interval(zero.start - dt.timedelta(days=back), zero.end)
        done = list((yield from _ask("range", str(past), list(held), second_look, bulk=True)))
    return done


def _ask(
    form: str,
    days: str,
    keys: Sequence[str],
    look: Callable[[str, Any], Sample | None],
    *,
    bulk: bool,
) -> Fetch:
    """Ask about each of *keys*, cutting batches up where that may help.

    *look* makes a sample of a key's entry or `Trouble`, or keeps it (None). What is known
    is handed over before the next request: a kill then costs the request under way only.
    """
    done: list[Sample] = []
    pieces = deque(batches(keys) if bulk and len(keys) > 1 else [(key,) for key in keys])
    refusals, last = 0, ""  # in a row
    while pieces:
        piece = pieces.popleft()
        answer: dict[str, Any] | Trouble
        if refusals >= GIVE_UP_AFTER:
            answer = Trouble(
                Why.DENIED,
                f"not asked: the provider refused {refusals} requests in a row ({last})",
            )
        else:
            if refusals >= CANARY_AFTER and len(piece) > 1:
                pieces.appendleft(piece[1:])
                piece = piece[:1]
            if done:
                yield Known(done)
                done = []
            reply = yield Request(f"/downloads/{form}/{days}/{','.join(piece)}")
            if reply is None:
                raise TypeError("a request is answered by a reply, not by None")
            answer = replies.read(reply, piece)
            if isinstance(answer, Trouble):
                refused = answer.why is Why.REFUSED or answer.why is Why.BROKE
                refusals = refusals + 1 if refused else 0
                last = "403" if answer.why is Why.REFUSED else "500"
                if len(piece) > 1 and answer.why in _CUT[form]:
                    pieces.extend(_cut(piece, answer.why))
                    continue
            else:
                refusals = 0
        for key in piece:
            entry = answer if isinstance(answer, Trouble) else answer.get(key, _MISSING)
            sample = look(key, entry)
            if sample is not None:
                done.append(sample)
    return done


_MISSING = Trouble(Why.GARBLED, "missing from the provider's answer")
_ABOUT_NAMES = {Why.REFUSED, Why.BROKE, Why.TOO_LONG, Why.SCOPED_IN_BULK, Why.BAD_REQUEST}
_CUT = {"range": frozenset(_ABOUT_NAMES), "point": frozenset({*_ABOUT_NAMES, Why.NOT_FOUND})}
"""Troubles that may be about one name in a batch, or about its size.

A 404 to a `range` that names no package may as well be about the form: `point` finds out.
"""


def _cut(piece: tuple[str, ...], why: Why) -> list[tuple[str, ...]]:
    if why is Why.SCOPED_IN_BULK and any(key.startswith("@") for key in piece):
        return list(batches(piece))
    middle = len(piece) // 2
    return [piece[:middle], piece[middle:]]


def _sample(key: str, entry: Any, period: Period) -> Sample:
    if isinstance(entry, Trouble) and entry.why is not Why.NOT_FOUND:
        return Sample(key, Status.FAILED, detail=entry.detail)
    if entry is None or isinstance(entry, Trouble):
        return Sample(key, Status.UNKNOWN, detail=_UNKNOWN)
    counted = replies.count_of(entry, key)
    if isinstance(counted, str):
        return Sample(key, Status.FAILED, detail=counted)
    doubt = period.check(counted.interval) or _hole(counted, period.today)
    if doubt is not None:
        return Sample(key, Status.SUSPECT, counted.value, counted.interval, doubt)
    return Sample(key, Status.OK, counted.value, counted.interval)


def _doubted(sample: Sample, doubt: str | None) -> Sample:
    return replace(sample, status=Status.SUSPECT, detail=doubt) if doubt else sample


def _recent(last: Good | None, zero: Interval) -> Good | None:
    """The last good value if it can still speak about *zero*; None when it is too old."""
    if last is None or last.interval is None or last.value >= SURELY_NOT_ZERO:
        return last
    age = zero.end - last.interval.end
    return None if age.days > BELIEVE_AFTER_DAYS else last


def _doubt(last: Good, zero: Interval) -> str | None:
    """Why a zero is not to be believed in view of the last good value; None when it is."""
    usual, days = last.value, ""
    if last.interval is not None:
        usual = last.value * zero.days // last.interval.days
        days = f" ({last.interval})"
    if usual < CLEARLY_NOT_ZERO:
        return None
    return f"zero, but the last good value was {last.value}{days}: not settled yet"


def _hole(counted: Count, today: dt.date) -> str | None:
    """Why a sum is not to be believed: its last days have not settled. None when it is.

    Only zeros at its end count, and only recent ones: an older hole is there to stay
    (whether npm ever fills them is not known). The usual day must be clearly used, for many
    packages rest on Sundays.
    """
    days = counted.days
    if not days or days[-1] or not counted.value:
        return None
    last = counted.interval.end
    if (today - last).days > UNSETTLED_DAYS:
        return None
    settled = list(days)
    while not settled[-1]:
        settled.pop()
    usual = median_low(settled)
    if usual < CLEARLY_USED:
        return None
    open_days = len(days) - len(settled)
    which = f"{last} reads" if open_days == 1 else f"the {open_days} days to {last} read"
    return f"{which} 0 where a usual day has {usual}: not settled yet"


def _may_be_unsettled(zero: Interval, today: dt.date) -> bool:
    return (today - zero.end).days <= UNSETTLED_DAYS


_NEVER_SERVED = frozenset({Why.NOT_SERVED, Why.NOT_FOUND, Why.DENIED, Why.BAD_REQUEST})


def _past_doubt(entry: Any, key: str, zero: Interval) -> str | None:
    """Why a zero over *zero* is not to be believed in view of the days before; None if it is.

    The median day counts: holes pull an average down, and a release's burst of mirrors
    pushes it up. When the past cannot be read, the zero stays in doubt; but where days are
    not served at all, several zeros in a row are believed: they seldom fail to settle.
    """
    if isinstance(entry, Trouble) and zero.days > 1 and entry.why in _NEVER_SERVED:
        return None
    if not isinstance(entry, Trouble) and zero.days > 1:
        total = replies.count_of(entry, key)
        if not isinstance(total, str) and not total.days:  # a sum, from a stand-in
            usual = total.value // max(1, total.interval.days - zero.days)
            return _usual_doubt(usual)
    counts = entry.detail if isinstance(entry, Trouble) else replies.days_of(entry, key)
    if isinstance(counts, str):
        return f"zero, and the days before could not be read ({counts})"
    before = [count for past, count in counts.items() if past < str(zero.start)]
    if not before:
        if zero.days > 1:
            return None
        return "zero, and the days before could not be read (none in the answer)"
    if any(count for day, count in counts.items() if day >= str(zero.start)):
        return "zero, but the same days asked again were not: not settled yet"
    return _usual_doubt(median_low(before))


def _usual_doubt(usual: int) -> str | None:
    if usual >= CLEARLY_NOT_ZERO:
        return f"zero, but a usual day before had {usual}: not settled yet"
    return None


NPM_DOWNLOADS = Provider(
    profile=PROFILE,
    ecosystem="npm",
    name_fault=name_fault,
    period_fault=period_fault,
    batches=batches,
    judge=judge,
    fetch=fetch,
)
