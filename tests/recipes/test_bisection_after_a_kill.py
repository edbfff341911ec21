"""A batch with a refused name, cut up, and killed on the way: what the next start asks."""

from __future__ import annotations

import datetime as dt
import json

from ventil.core.exchange import Known, Request, Response
from ventil.core.model import Sample, Status
from ventil.core.period import Period
from ventil.providers.npm_downloads import fetch

TODAY = dt.date(2025, 11, 21)
PERIOD = Period.parse("2025-11-01", today=TODAY)
NAMES = tuple(f"name-{number}" for number in range(16))
REFUSED = "name-5"


def answer(request: Request) -> Response:
    """Numbers for every name, but a 403 whenever the refused one is among them."""
    names = request.target.rpartition("/")[2].split(",")
    if REFUSED in names:
        return Response(403, {}, b"forbidden")
    entry = {"downloads": 7, "start": "2025-11-01", "end": "2025-11-01"}
    if len(names) == 1:
        return Response(200, {}, json.dumps({**entry, "package": names[0]}).encode())
    return Response(
        200, {}, json.dumps({name: {**entry, "package": name} for name in names}).encode()
    )


def ask(names: tuple[str, ...], *, most: int = 100) -> tuple[dict[str, Sample], int]:
    """What is stored when the process is killed after *most* requests, and how many went."""
    recipe, stored, sent = fetch(names, PERIOD, {}), {}, 0
    try:
        step = next(recipe)
        while True:
            if isinstance(step, Known):
                stored.update({sample.key: sample for sample in step.samples})
                step = recipe.send(None)
                continue
            if sent == most:
                recipe.close()
                return stored, sent
            assert isinstance(step, Request)
            sent += 1
            step = recipe.send(answer(step))
    except StopIteration as end:
        stored.update({sample.key: sample for sample in end.value})
    return stored, sent


def test_what_the_cuts_found_out_is_kept_and_the_cutting_begins_anew() -> None:
    """Answered halves are not asked again; the rest is one batch again, and is cut again."""
    whole, undisturbed = ask(NAMES)
    assert [key for key, s in whole.items() if s.status is not Status.OK] == [REFUSED]
    for killed_after in range(1, undisturbed):
        stored, sent = ask(NAMES, most=killed_after)
        left = tuple(name for name in NAMES if name not in stored)
        again, more = ask(left)
        assert {**stored, **again} == whole
        assert not stored.keys() & again.keys()
        # Never more than the whole of a new start: the cuts so far were what it costs.
        assert sent + more <= killed_after + undisturbed
