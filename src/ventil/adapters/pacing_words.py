"""What workers and pacers tell each other, as JSON within the size of a notification.

To a pacer: `w` wants [run, weight, retry, count] with `s`, the latest grant seen, and `h`,
those of the runs that a person waits for; `u` uses [number, at]; `x` given back; `d` outcomes
[number, at, verdict, retry after, detail, record, hints, sent at if it stood]; `a` good answers
on standing grants [number, sent at, at]; `i` all numbers with a request under way, where they
are many the last of them, after those in words with `j`. From a
pacer: `g` grants [number, run, weight, retry, use by], `r` standing ones; `c` those
that stand no more; `n` runs that want what no quota allows [run, why]; `p` why there are no
more [until, reason, detail] and `b`, the breaker; `e`, its own number, when its term begins.
From anybody: `v`, a pacer has left.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any

from ventil.core.exchange import Outcome, RateHint, Verdict
from ventil.core.lease import Leases
from ventil.core.pacer import Grant, Pacer
from ventil.core.permit import Wait
from ventil.core.policy import Reason

_MOST = 7000  # characters of a notification, of less than 8000 bytes
_SIZE_A = 60  # of a number and two times with microseconds, at most
_LONGEST = 200  # of a record's name or an outcome's words


def news_words(leases: Leases) -> Iterator[dict[str, Any]]:
    """What there is to tell the pacer, in the order in which it happened."""
    wants, used, unused, done = leases.take_news()
    again, leases.again = leases.again, []
    items: list[tuple[str, Any]] = [
        ("a", [number, round(sent_s, 6), round(at_s, 6)]) for number, sent_s, at_s in again
    ]
    items += [("u", list(pair)) for pair in used]
    items += [("x", number) for number in unused]
    for number, at_s, outcome, record in done:
        sent_s = leases.last_sent_s.pop(number, None)
        sent = [] if sent_s is None else [sent_s]
        items.append(("d", [*_done(number, at_s, outcome, record), *sent]))
    items += [
        ("h", run) for run in dict.fromkeys(run for run, *_ in wants) if run in leases.urgent
    ]
    items += [("w", [run, *kind, count]) for run, kind, count in wants]
    for part in _parts(items):
        yield {"s": leases.seen, **part}


def under_way_words(leases: Leases) -> Iterator[dict[str, Any]]:
    """All that is under way, for a pacer that may not know; told together or not at all."""
    *before, last = [*_parts([("j", number) for number in leases.under_way])] or [{"j": []}]
    yield from before
    yield {"i": last["j"]}


def news_from(word: Mapping[str, Any], pacer: Pacer, worker: str, now_s: float) -> None:
    """Tell a pacer what a worker has told."""
    for number, sent_s, at_s in word.get("a", ()):
        pacer.again(number, sent_s, at_s)
    for number, at_s in word.get("u", ()):
        pacer.used(number, at_s)
    for number in word.get("x", ()):
        pacer.unused(number, now_s)
    for number, at_s, verdict, retry_after_s, detail, record, hints, *sent in word.get("d", ()):
        outcome = Outcome(
            Verdict(verdict), retry_after_s, tuple(RateHint(*h) for h in hints), detail
        )
        pacer.done(number, at_s, outcome, record, sent_s=sent[0] if sent else None)
    for run in word.get("h", ()):
        pacer.urgent(run)
    for run, weight, retry, count in word.get("w", ()):
        pacer.wanted(worker, run, (weight, retry), count, seen=word["s"])


def grants_word(grants: Sequence[Grant]) -> list[dict[str, Any]]:
    """Grants for one worker."""
    rows: list[tuple[str, Any]] = []
    for g in grants:
        kind = "r" if g.standing else "g"
        rows.append((kind, [g.number, g.run, g.weight, g.retry, g.use_by_s]))
    return [*_parts(rows)]


def grants_from(word: Mapping[str, Any], worker: str) -> Iterator[Grant]:
    """The grants in a word from the pacer, in the order in which they were made."""
    found = [
        Grant(number, worker, run, weight, retry, use_by_s, kind == "r")
        for kind in ("g", "r")
        for number, run, weight, retry, use_by_s in word.get(kind, ())
    ]
    yield from sorted(found, key=lambda grant: grant.number)


def never_words(runs: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Runs of one worker that want what will never be granted, and why."""
    return _parts([("n", [run, why[:_LONGEST]]) for run, why in runs.items()])


def wait_word(wait: Wait | None) -> list[Any] | None:
    """Why there are no more grants. In the same words while nothing changes for a person."""
    if wait is not None and wait.reason is Reason.CONCURRENCY_LIMIT:
        return [None, wait.reason.value, "as many in flight as may be"]
    return None if wait is None else [wait.until_s, wait.reason.value, wait.detail[:_LONGEST]]


def wait_from(word: Sequence[Any] | None) -> Wait | None:
    """What `wait_word` said."""
    return None if word is None else Wait(word[0], Reason(word[1]), word[2])


def _done(number: int, at_s: float, outcome: Outcome, record: object) -> list[Any]:
    return [
        number,
        at_s,
        outcome.verdict.value,
        outcome.retry_after_s,
        outcome.detail[:_LONGEST],
        None if record is None else str(record)[:_LONGEST],
        [astuple(hint) for hint in outcome.hints[:4]],
    ]


def _parts(items: Sequence[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    """Items by their kind, in words of bounded size."""
    part: dict[str, Any] = {}
    size = 0
    for kind, item in items:
        length = _SIZE_A if kind == "a" else len(json.dumps(item)) + 8
        if part and size + length > _MOST:
            yield part
            part, size = {}, 0
        part.setdefault(kind, []).append(item)
        size += length
    if part:
        yield part
