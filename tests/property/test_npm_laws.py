"""Laws of the npm recipe: whatever comes back, one sample for each key and no invention."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from ventil.core.exchange import Fault, FaultKind, Reply, Request, Response, Verdict
from ventil.core.model import Good, Interval, Status
from ventil.core.period import Period
from ventil.providers.npm_downloads import NPM_DOWNLOADS, batches, fetch, judge
from ventil.providers.npm_names import name_fault
from ventil.testing.recipes import drive

TODAY = dt.date(2026, 11, 21)
KEYS = ["a", "b", "@s/c", "downloads", "error", "d.e", "B64"]

periods = st.sampled_from(
    [
        Period.parse(text, today=TODAY)
        for text in ("last-day", "last-week", "2026-11-19", "2026-11-01:2026-11-07")
    ]
)
keys = st.lists(st.sampled_from(KEYS), min_size=1, max_size=7)
days = st.sampled_from(["2026-11-20", "2026-11-14", "2026-11-19", "2026-11-07", "x", "", None])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | days
fields = st.sampled_from([*KEYS, "start", "end", "package", "day"])
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(fields, inner, max_size=6),
    max_leaves=25,
)
entries = st.fixed_dictionaries(
    {"downloads": st.integers(-2, 30) | json_values, "start": days, "end": days},
    optional={"package": st.sampled_from(KEYS) | leaves},
)
answers = json_values | entries | st.dictionaries(fields, entries | st.none(), max_size=7)
fragments = st.sampled_from(
    [
        b"error code: 1015",
        b"<html>",
        b"Error <span>1006</span>",
        b"error",
        b"<",
        b"Request Header Or Cookie Too Large",
        b'{"error":"scoped packages are not currently supported in bulk lookups"}',
        b'{"error":"package a not found"}',
    ]
)
bodies = (
    answers.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
    | st.binary(max_size=40)
    | st.lists(fragments | st.binary(max_size=5), max_size=6).map(b"".join)
)
headers = st.dictionaries(
    st.sampled_from(
        ["retry-after", "content-type", "ratelimit-remaining", "x-ratelimit-reset"]
    ),
    st.sampled_from(["0", "5", "", "x", "Fri, 20 Nov 2026 00:00:00 GMT", "-1", "text/html"]),
    max_size=3,
)
statuses = st.sampled_from(
    [200, 200, 200, 204, 302, 400, 401, 403, 404, 414, 429, 500, 503, 999]
)
replies = st.builds(Response, statuses, headers, bodies) | st.builds(
    Fault, st.sampled_from(FaultKind), st.text(max_size=20)
)
goods = st.dictionaries(
    st.sampled_from(KEYS),
    st.builds(
        Good,
        st.integers(0, 2_000),
        st.none() | st.just(Interval(dt.date(2026, 11, 1), dt.date(2026, 11, 7))),
        st.just(0.0),
    ),
)


@given(keys, periods, goods, st.lists(replies, min_size=1, max_size=8))
def test_any_replies_make_one_sample_for_each_key(
    asked: list[str], period: Period, good: dict[str, Good], given_replies: list[Reply]
) -> None:
    """Exactly the keys asked, never an exception, and an end."""
    turn = iter(range(10_000))

    def answer(_: Request) -> Reply:
        return given_replies[next(turn) % len(given_replies)]

    driven = drive(fetch(asked, period, good), answer, most_requests=60)
    assert set(driven.by_key) == set(asked)
    assert len(driven.samples) == len(set(asked))
    for sample in driven.samples:
        believed = sample.status in (Status.OK, Status.SUSPECT)
        assert (sample.value is not None) == believed
        assert sample.value is None or 0 <= sample.value < 2**53
        assert sample.detail.isprintable()
        assert len(sample.detail) < 250
        if sample.status is Status.OK:
            assert sample.interval is not None
            assert period.check(sample.interval) is None
            assert any(
                str(sample.value).encode() in reply.body
                for reply in given_replies
                if isinstance(reply, Response)
            )
        else:
            assert sample.detail


@given(replies, st.floats(0, 4e9))
@example(Response(200, {}, b"error" + b"<" * 16_000), 0.0)
@example(Response(503, {}, b"error<" * 3_000), 0.0)
@example(Response(400, {}, b'{"error":"' + b"<" * 100_000 + b'"}'), 0.0)
def test_any_reply_is_judged(reply: Reply, now_s: float) -> None:
    """A verdict in words for people; a body that is no answer is never taken as well."""
    outcome = judge(Request("/downloads/point/last-week/a"), reply, now_s)
    assert outcome.verdict in Verdict
    assert len(outcome.detail) < 250
    if isinstance(reply, Fault):
        assert outcome.verdict is Verdict.OVERLOADED
    elif reply.status == 200 and outcome.verdict is Verdict.LIVE:
        assert isinstance(json.loads(reply.body), dict)


@given(st.integers(0, 2**53 - 1), st.sampled_from(KEYS), st.booleans())
def test_a_good_number_arrives_as_it_is(count: int, key: str, keyed: bool) -> None:
    """In either shape, for any count that JSON's readers keep exact."""
    entry: dict[str, Any] = {
        "downloads": count, "start": "2026-11-14", "end": "2026-11-20", "package": key
    }  # fmt: skip
    body = json.dumps({key: entry} if keyed else entry).encode()
    period = Period.parse("last-week", today=TODAY)
    driven = drive(fetch([key], period, {}), lambda _: Response(200, {}, body))
    assert [(s.status, s.value) for s in driven.samples] == [(Status.OK, count)]


part = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=1, max_size=40)
names = st.builds("@{}/{}".format, part, part) | part | st.text(max_size=10)
valid_names = names.filter(lambda name: name_fault(name) is None)


@given(st.lists(valid_names, max_size=300))
def test_batches_are_a_partition(listed: list[str]) -> None:
    """Each name in one batch, scoped ones alone, never too many or too long."""
    made = list(batches(listed))
    assert sorted(name for batch in made for name in batch) == sorted(listed)
    for batch in made:
        assert 1 <= len(batch) <= 128
        assert len(",".join(batch)) <= 1_960 or len(batch) == 1
        assert len(batch) == 1 or not any(name.startswith("@") for name in batch)


@given(names)
def test_a_valid_name_stands_in_a_url_as_it_is(name: str) -> None:
    """No character to escape, none that separates, no segment that collapses."""
    fault = NPM_DOWNLOADS.name_fault(name)
    if fault is None:
        assert set(name) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!*'()@/"
        )
        assert not {".", ".."} & set(name.split("/"))
        assert name.count("/") == name.count("@") == (1 if name.startswith("@") else 0)
        assert len(name) <= 214
    else:
        assert fault.isprintable()
