"""npm's download counts: every trap of the API, with replies as they were seen."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ventil.core.exchange import Fault, FaultKind, Known, Reply, Request, Response, Verdict
from ventil.core.model import Good, Interval, Sample, Status
from ventil.core.period import Period
from ventil.errors import SettingError
from ventil.providers import get, names
from ventil.providers.npm_downloads import (
    CANARY_AFTER,
    GIVE_UP_AFTER,
    NPM_DOWNLOADS,
    TARGET_CHARS,
    batches,
    fetch,
    judge,
    period_fault,
)
from ventil.testing.recipes import Driven, drive

TODAY = dt.date(2026, 11, 21)
WEEK = Period.parse("last-week", today=TODAY)
DAY = Period.parse("last-day", today=TODAY)
START, END = "2026-11-14", "2026-11-20"
INTERVAL = Interval(dt.date(2026, 11, 14), dt.date(2026, 11, 20))
YESTERDAY = Interval(dt.date(2026, 11, 20), dt.date(2026, 11, 20))

JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html; charset=UTF-8"}

# Shaped after pages quoted in nice-registry/download-counts#8 and Cloudflare's own docs.
BLOCKED_PAGE = b"""<!DOCTYPE html>
<html lang="en-US"><head><title>Attention Required! | Cloudflare</title></head><body>
<h1>Sorry, you have been blocked</h1><h2>You are unable to access this site</h2>
<p>Ray ID: 9a31015bd1006f1a Your IP: 192.0.2.1 Performance &amp; security by Cloudflare</p>
</body></html>"""
BANNED_PAGE = b"""<!DOCTYPE html>
<html><head><title>Access denied</title></head><body><h1>
  <span class="cf-error-type" data-translate="error">Error</span>
  <span class="cf-error-code">1006</span>
</h1><p>The owner of this website has banned your IP address (192.0.2.1).</p></body></html>"""
LIMITED_PAGE = b"""<!DOCTYPE html>
<html><head><title>Access denied</title></head><body><h1>
  <span>Error</span> <span>1015</span></h1><h2>You are being rate limited</h2></body></html>"""
SHORT_LIMITED = b"error code: 1015"
TOO_LARGE_PAGE = (
    b"<html>\r\n<head><title>400 Request Header Or Cookie Too Large</title></head>\r\n<body>"
    b"<center><h1>400 Bad Request</h1></center>\r\n"
    b"<center>Request Header Or Cookie Too Large</center></body></html>"
)
SCOPED_IN_BULK = b'{"error":"scoped packages are not currently supported in bulk lookups"}'


def entry(name: str, downloads: Any = 7, start: str = START, end: str = END) -> dict[str, Any]:
    """One object of the API, as it answers about a name."""
    return {"downloads": downloads, "start": start, "end": end, "package": name}


def ok(body: Any) -> Response:
    """A 200 with JSON."""
    return Response(200, JSON, json.dumps(body).encode())


def asked(request: Request) -> list[str]:
    """The names a request is about."""
    return request.target.split("/", 4)[4].split(",")


def api(request: Request) -> Reply:
    """The API on a good day: every name exists and had 7 downloads."""
    found = asked(request)
    if len(found) == 1:
        return ok(entry(found[0]))
    return ok({name: entry(name) for name in found})


def run(
    keys: list[str],
    answer: Callable[[Request], Reply] | Reply = api,
    period: Period = WEEK,
    good: Mapping[str, Good] | None = None,
) -> Driven:
    """The recipe driven to its end; a reply stands for an API that always gives it."""
    reply = answer if callable(answer) else lambda _request: answer
    return drive(fetch(keys, period, good or {}), reply)


def only(driven: Driven) -> Sample:
    """The one sample."""
    (sample,) = driven.samples
    return sample


def one(reply: Reply, period: Period = WEEK, good: Good | None = None) -> Sample:
    """The sample of `tiny-lib` after *reply*."""
    return only(run(["tiny-lib"], reply, period, {"tiny-lib": good} if good else None))


# Shapes


def test_a_single_name_is_asked_and_read_in_the_single_shape() -> None:
    """A number, whose returned interval is kept."""
    driven = run(["tiny-lib"])
    assert driven.targets == ["/downloads/range/last-week/tiny-lib"]
    assert only(driven) == Sample("tiny-lib", Status.OK, 7, INTERVAL)


def test_a_scoped_name_is_asked_alone() -> None:
    """One scoped name would make a whole batch 400."""
    driven = run(["@s/a", "b", "@s/c", "d"])
    assert driven.targets == [
        "/downloads/range/last-week/b,d",
        "/downloads/range/last-week/@s/a",
        "/downloads/range/last-week/@s/c",
    ]
    assert {s.status for s in driven.samples} == {Status.OK}


def test_a_bulk_answer_is_read_by_key() -> None:
    """Null is unknown, a name left out failed, a name not asked for is passed over."""
    body = {"a": entry("a", 1), "b": None, "surplus": entry("surplus", 3)}
    samples = run(["a", "b", "c"], ok(body)).by_key
    assert samples["a"] == Sample("a", Status.OK, 1, INTERVAL)
    assert (samples["b"].status, samples["b"].value) == (Status.UNKNOWN, None)
    assert "48 hours" in samples["b"].detail
    assert (samples["c"].status, samples["c"].value) == (Status.FAILED, None)
    assert samples["c"].detail == "missing from the provider's answer"
    assert set(samples) == {"a", "b", "c"}


@pytest.mark.parametrize("name", ["tiny-lib", "downloads", "start", "error", "package"])
def test_either_shape_will_do_for_one_name(name: str) -> None:
    """Also for packages that are called like a field of the other shape."""
    assert only(run([name], ok(entry(name)))).value == 7
    assert only(run([name], ok({name: entry(name)}))).value == 7
    assert only(run([name], ok({name: None}))).status is Status.UNKNOWN


def test_a_batch_of_packages_called_like_fields_is_read_by_key() -> None:
    """`downloads`, `start`, `error` and `package` are packages too."""
    driven = run(["downloads", "start", "error", "package"])
    assert [s.value for s in driven.samples] == [7, 7, 7, 7]


def test_a_single_shape_where_a_batch_was_asked_serves_its_own_package() -> None:
    """The others were not answered."""
    for mine, other in (("a", "b"), ("b", "a")):
        samples = run(["a", "b"], ok(entry(mine))).by_key
        assert samples[mine].status is Status.OK
        assert samples[other].detail == "missing from the provider's answer"


def test_periods_are_asked_as_they_are_written() -> None:
    """A range is `A:B` in the path, and one over a year is not asked in bulk."""
    period = Period.parse("2025-01-01:2026-06-30", today=TODAY)

    def answer(request: Request) -> Reply:
        return ok(entry(asked(request)[0], 5, "2025-01-01", "2026-06-30"))

    driven = run(["a", "b"], answer, period)
    assert driven.targets == [
        "/downloads/point/2025-01-01:2026-06-30/a",
        "/downloads/point/2025-01-01:2026-06-30/b",
    ]
    assert [s.value for s in driven.samples] == [5, 5]
    assert period_fault(period) is None
    too_long = period_fault(Period.parse("2024-01-01:2026-06-30", today=TODAY))
    assert too_long is not None
    assert "18 months" in too_long


def test_a_name_that_cannot_be_one_is_never_sent() -> None:
    """A dot segment would ask for the whole registry's total."""
    driven = run(["@x/..", "a"])
    assert driven.targets == ["/downloads/range/last-week/a"]
    assert driven.by_key["@x/.."].status is Status.FAILED
    assert "not asked" in driven.by_key["@x/.."].detail


def test_names_given_twice_have_one_sample() -> None:
    """A record has one sample whatever the list says."""
    driven = run(["a", "a"])
    assert driven.targets == ["/downloads/range/last-week/a"]
    assert len(driven.samples) == 1


# Unknown


def test_a_404_of_npms_own_is_unknown() -> None:
    """With a word on packages that are only new."""
    sample = one(Response(404, JSON, b'{"error":"package tiny-lib not found"}'))
    assert sample.status is Status.UNKNOWN
    assert "48 hours" in sample.detail


@pytest.mark.parametrize("body", [b"<html>Not Found</html>", b"", b"{}", b'{"error":1}', b"[]"])
def test_a_404_of_another_kind_says_nothing_of_the_package(body: bytes) -> None:
    """A gateway's page is a failure: the provider may be unwell."""
    reply = Response(404, HTML, body)
    sample = one(reply)
    assert sample.status is Status.FAILED
    assert "404" in sample.detail
    assert judge(Request("/x"), reply, 0.0).verdict is Verdict.OVERLOADED


def test_a_404_to_a_batch_is_cut_until_it_is_about_one_name() -> None:
    """It never comes, as far as is known; if it does, single names settle it."""

    def answer(request: Request) -> Reply:
        if len(asked(request)) > 1:
            return Response(404, JSON, b'{"error":"not found"}')
        return api(request)

    assert {s.status for s in run(["a", "b", "c"], answer).samples} == {Status.OK}


# Refusals


def refusing(*bad: str, page: bytes = BLOCKED_PAGE) -> Callable[[Request], Reply]:
    """An API whose firewall refuses every request that holds one of the names."""

    def answer(request: Request) -> Reply:
        if set(asked(request)) & set(bad):
            return Response(403, HTML, page)
        return api(request)

    return answer


def refusals_in_a_row(driven: Driven, answer: Callable[[Request], Reply]) -> int:
    """The longest row of 403s."""
    longest = row = 0
    for request in driven.requests:
        reply = answer(request)
        row = row + 1 if isinstance(reply, Response) and reply.status == 403 else 0
        longest = max(longest, row)
    return longest


def test_a_refused_name_is_found_by_bisection() -> None:
    """The others of its batch get their numbers; it is failed with the reason."""
    keys = [f"n{i}" for i in range(128)]
    answer = refusing("n77")
    driven = run(keys, answer)
    samples = driven.by_key
    refused = samples.pop("n77")
    assert refused == Sample("n77", Status.FAILED, detail="refused by the provider (403)")
    assert {s.status for s in samples.values()} == {Status.OK}
    assert len(driven.requests) == 1 + 2 * 7
    assert refusals_in_a_row(driven, answer) <= 2


def test_halves_are_asked_before_either_is_cut_again() -> None:
    """Breadth first: a refusal is soon followed by an answer."""
    driven = run(["a", "b", "c", "d"], refusing("a"))
    assert [asked(request) for request in driven.requests] == [
        ["a", "b", "c", "d"],
        ["a", "b"],
        ["c", "d"],
        ["a"],
        ["b"],
    ]


def test_a_combination_that_is_refused_is_taken_apart() -> None:
    """Each name alone is fine, so all get their numbers."""

    def answer(request: Request) -> Reply:
        if {"a", "b"} <= set(asked(request)):
            return Response(403, HTML, BLOCKED_PAGE)
        return api(request)

    assert {s.status for s in run(["c", "a", "b", "d"], answer).samples} == {Status.OK}


def test_many_refused_names_do_not_look_like_a_ban() -> None:
    """A canary tells: refusals in a row stay well below what the governor takes for one."""
    keys = [f"n{i}" for i in range(128)]
    bad = {f"n{i}" for i in range(0, 128, 8)}
    answer = refusing(*bad)
    driven = run(keys, answer)
    failed = {s.key for s in driven.samples if s.status is Status.FAILED}
    assert failed == bad
    assert refusals_in_a_row(driven, answer) <= CANARY_AFTER + 2


def test_a_ban_that_looks_like_refusals_is_not_bisected_to_the_end() -> None:
    """After eight in a row nothing more is sent: 255 requests would not help."""
    driven = run([f"n{i}" for i in range(128)], Response(403, HTML, BLOCKED_PAGE))
    assert len(driven.requests) == GIVE_UP_AFTER
    assert {s.status for s in driven.samples} == {Status.FAILED}
    assert len(driven.samples) == 128
    assert "in a row" in driven.samples[-1].detail


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (BLOCKED_PAGE, Verdict.REFUSED),
        (b"error code: 1020", Verdict.REFUSED),
        (BANNED_PAGE, Verdict.THROTTLED),
        (b"error code: 1006", Verdict.THROTTLED),
        (b"error code: 1007", Verdict.THROTTLED),
        (b"error code: 1008", Verdict.THROTTLED),
        (b"error code: 1010", Verdict.THROTTLED),
        (b"error code: 1106", Verdict.THROTTLED),
        (SHORT_LIMITED, Verdict.THROTTLED),
        (LIMITED_PAGE, Verdict.THROTTLED),
    ],
)
def test_a_403_may_be_about_the_request_or_about_us(body: bytes, verdict: Verdict) -> None:
    """A firewall's rule is bisected; a ban is a throttle, and nothing is bisected then."""
    reply = Response(403, HTML, body)
    outcome = judge(Request("/x"), reply, 0.0)
    assert outcome.verdict is verdict
    assert outcome.retry_after_s is None
    driven = run(["a", "b"], reply)
    assert len(driven.requests) == (3 if verdict is Verdict.REFUSED else 1)
    assert {s.status for s in driven.samples} == {Status.FAILED}


def test_a_403_that_names_a_time_is_a_throttle() -> None:
    """To the governor and to the recipe alike."""
    reply = Response(403, {"retry-after": "120"}, b"")
    assert judge(Request("/x"), reply, 0.0).retry_after_s == 120
    driven = run(["a", "b"], reply)
    assert len(driven.requests) == 1
    assert driven.samples[0].detail == "403 throttled"


# Throttles


@pytest.mark.parametrize("status", [200, 403, 429, 503])
@pytest.mark.parametrize("body", [SHORT_LIMITED, LIMITED_PAGE])
@pytest.mark.parametrize("headers", [{}, {"retry-after": "0"}])
def test_a_throttle_is_known_by_what_it_says(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    """As text or HTML, under whatever status, without a time or with 0, which is none."""
    reply = Response(status, headers, body)
    outcome = judge(Request("/x"), reply, 0.0)
    assert outcome.verdict is Verdict.THROTTLED
    assert outcome.retry_after_s is None
    sample = one(reply)
    assert sample.status is Status.FAILED
    assert "throttled" in sample.detail
    assert "1015" in sample.detail


def test_a_throttle_that_names_a_time_keeps_it() -> None:
    """Also where only the content says that it is a throttle."""
    reply = Response(503, {"retry-after": "90"}, LIMITED_PAGE)
    outcome = judge(Request("/x"), reply, 0.0)
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.THROTTLED, 90)


def test_an_error_with_status_200_is_no_number() -> None:
    """Neither as a throttle nor otherwise."""
    limited = ok({"error": "rate limit exceeded"})
    assert judge(Request("/x"), limited, 0.0).verdict is Verdict.THROTTLED
    other = ok({"error": "something broke"})
    assert judge(Request("/x"), other, 0.0).verdict is Verdict.OVERLOADED
    assert one(other).detail == "an error with status 200: something broke"


# Other troubles


def test_a_scoped_name_that_spoils_a_batch_is_taken_out() -> None:
    """Never sent by us; should npm take a plain name for one, the batch is cut."""

    def answer(request: Request) -> Reply:
        if len(asked(request)) > 1 and "odd" in asked(request):
            return Response(400, JSON, SCOPED_IN_BULK)
        return api(request)

    driven = run(["a", "odd", "b", "c"], answer)
    assert {s.status for s in driven.samples} == {Status.OK}
    assert (
        judge(Request("/x"), Response(400, JSON, SCOPED_IN_BULK), 0.0).verdict is Verdict.LIVE
    )


@pytest.mark.parametrize(
    "reply",
    [Response(400, HTML, TOO_LARGE_PAGE), Response(414, HTML, b""), Response(431, HTML, b"")],
)
def test_an_overlong_url_is_halved(reply: Response) -> None:
    """Until it fits."""
    keys = [f"name-{i:03}" for i in range(100)]

    def answer(request: Request) -> Reply:
        return reply if len(request.target) > 300 else api(request)

    driven = run(keys, answer)
    assert {s.status for s in driven.samples} == {Status.OK}
    assert judge(Request("/x"), reply, 0.0).verdict is Verdict.LIVE
    assert "too long" in one(reply).detail


def test_a_400_about_one_name_is_a_failure_in_the_providers_words() -> None:
    """Short, on one line, without markup."""
    reply = Response(400, JSON, json.dumps({"error": "<b>bad</b>\nname " + "x" * 500}).encode())
    sample = one(reply)
    assert sample.status is Status.FAILED
    assert sample.detail.startswith("400: bad name xxx")
    assert len(sample.detail) < 140


@pytest.mark.parametrize("status", [401, 410, 451])
def test_a_definitive_no_is_not_bisected(status: int) -> None:
    """It is not about one of the names."""
    driven = run(["a", "b"], Response(status, HTML, b""))
    assert len(driven.requests) == 1
    assert {s.detail for s in driven.samples} == {f"{status} from the provider"}


@pytest.mark.parametrize(
    "refusal",
    [
        Response(405, HTML, b""),
        Response(404, HTML, b"<html>Not Found</html>"),
        Response(404, JSON, b'{"error":"not found"}'),
    ],
)
def test_where_days_are_not_served_the_sum_is_asked(refusal: Response) -> None:
    """A mirror may know only `point`; its numbers are taken all the same."""

    def answer(request: Request) -> Reply:
        return refusal if "/range/" in request.target else api(request)

    driven = run(["a", "b", "@s/c"], answer)
    assert {s.status for s in driven.samples} == {Status.OK}
    assert driven.targets == [
        "/downloads/range/last-week/a,b",
        "/downloads/range/last-week/@s/c",
        "/downloads/point/last-week/a,b",
        "/downloads/point/last-week/@s/c",
    ]


def test_a_404_that_names_the_package_is_believed_at_once() -> None:
    """As npm words it; another 404 to `range` may be about the form, so `point` decides."""
    named = Response(404, JSON, b'{"error":"package tiny-lib not found"}')
    driven = run(["tiny-lib"], named)
    assert (only(driven).status, len(driven.requests)) == (Status.UNKNOWN, 1)
    unnamed = Response(404, JSON, b'{"error":"Not found"}')
    driven = run(["tiny-lib"], unnamed)
    assert (only(driven).status, len(driven.requests)) == (Status.UNKNOWN, 2)


def test_a_name_that_breaks_the_provider_costs_only_itself() -> None:
    """A 500 that comes again may be about one of the names, so the batch is cut up."""

    def answer(request: Request) -> Reply:
        broken = "c" in asked(request)
        return Response(500, HTML, b"<html>Oops</html>") if broken else api(request)

    driven = run(["a", "b", "c", "d"], answer)
    statuses = {key: sample.status for key, sample in driven.by_key.items()}
    assert statuses.pop("c") is Status.FAILED
    assert set(statuses.values()) == {Status.OK}
    assert driven.by_key["c"].detail == "500 from the provider"


def test_a_provider_that_breaks_over_everything_is_not_asked_about_each_name() -> None:
    """After eight in a row the rest of the batch is left for later."""
    driven = run([f"n{number}" for number in range(100)], Response(500, HTML, b""))
    assert len(driven.requests) <= 8
    assert {s.status for s in driven.samples} == {Status.FAILED}


@pytest.mark.parametrize("status", [502, 503, 504, 520, 530])
def test_a_5xx_fails_its_records(status: int) -> None:
    """When the engine has given up on it."""
    driven = run(["a", "b"], Response(status, HTML, b"<html>Bad Gateway</html>"))
    assert len(driven.requests) == 1
    assert {s.status for s in driven.samples} == {Status.FAILED}
    assert {s.detail for s in driven.samples} == {f"{status} from the provider"}


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_fault_fails_the_records_of_its_request_only(kind: FaultKind) -> None:
    """The next request of the same recipe goes on."""

    def answer(request: Request) -> Reply:
        return Fault(kind, "it broke") if "a" in asked(request) else api(request)

    samples = run(["a", "b", "@s/c"], answer).by_key
    assert samples["a"].detail == samples["b"].detail == f"{kind}: it broke"
    assert samples["@s/c"].status is Status.OK


# Answers that are none


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!DOCTYPE html><html><body>Welcome</body></html>",
        b'{"downloads":7,"start":"2026-11-14","end":"2026-1',
        b"null",
        b"7",
        b'"7"',
        b"[7]",
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_a_200_that_is_no_answer_is_never_a_number(body: bytes) -> None:
    """It fails the record, and to the governor the provider may be unwell."""
    reply = Response(200, JSON, body)
    sample = one(reply)
    assert (sample.status, sample.value) == (Status.FAILED, None)
    assert len(sample.detail) < 140
    assert "<" not in sample.detail
    assert judge(Request("/x"), reply, 0.0).verdict is Verdict.OVERLOADED


@pytest.mark.parametrize(
    "number", [-1, 1.0, 7.5, True, False, "7", None, [7], {"n": 7}, 10**30, 2**53]
)
@pytest.mark.parametrize("bulk", [False, True])
def test_only_a_whole_number_is_a_count(number: Any, bulk: bool) -> None:
    """Negative, boolean, float, text or absurdly large: failed, and the others go on."""
    if bulk:
        body = {"tiny-lib": entry("tiny-lib", number), "b": entry("b")}
        samples = run(["tiny-lib", "b"], ok(body)).by_key
        assert samples["b"].status is Status.OK
        sample = samples["tiny-lib"]
    else:
        sample = one(ok(entry("tiny-lib", number)))
    assert (sample.status, sample.value) == (Status.FAILED, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"package": "other"}, "another package"),
        ({"package": "Tiny-Lib"}, "another package"),
        ({"package": 7}, "another package"),
        ({"start": None}, "no interval"),
        ({"end": "2026-11-31"}, "no interval"),
        ({"end": "20261120"}, "no interval"),
        ({"start": "2026-11-20", "end": "2026-11-14"}, "no interval"),
    ],
)
def test_an_answer_says_whose_and_of_which_days_it_is(
    change: dict[str, Any], said: str
) -> None:
    """One about another package or about no days is not taken."""
    body = {key: value for key, value in (entry("tiny-lib") | change).items() if value}
    for reply in (ok(body), ok({"tiny-lib": body})):
        sample = one(reply)
        assert (sample.status, sample.value) == (Status.FAILED, None)
        assert said in sample.detail


def test_the_whole_registrys_total_is_never_a_packages_number() -> None:
    """It is what a path that collapsed gets: the same shape, but for the name."""
    total = {"downloads": 9_876_543_210, "start": START, "end": END}
    driven = run(["tiny-lib"], ok(total))
    assert (only(driven).status, only(driven).value) == (Status.FAILED, None)
    assert "total" in only(driven).detail
    assert judge(Request("/x"), ok(total), 0.0).verdict is Verdict.OVERLOADED
    assert {s.value for s in run(["a", "b"], ok(total)).samples} == {None}


def test_in_a_keyed_answer_the_key_is_a_name() -> None:
    """An entry need not say again whose it is, but must not say another."""
    unnamed = {"downloads": 5, "start": START, "end": END}
    samples = run(["a", "b"], ok({"a": unnamed, "b": unnamed | {"package": "a"}})).by_key
    assert samples["a"].value == 5
    assert samples["b"].status is Status.FAILED


@pytest.mark.parametrize("digits", [20, 400, 4_300, 50_000])
def test_a_number_of_thousands_of_digits_is_no_trouble(digits: int) -> None:
    """Python refuses to print such a number; the record failed all the same."""
    body = json.dumps(entry("tiny-lib", 7)).replace("7", "7" * digits, 1).encode()
    assert one(Response(200, JSON, body)).status is Status.FAILED


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://169.254.169.254/latest?token=secret", "redirects to 169.254.169.254, which"),
        ("/elsewhere", "unexpected status 302"),
        ("http://[", "unexpected status 302"),
        ("", "unexpected status 302"),
    ],
)
def test_a_redirect_is_not_followed_and_named(location: str, said: str) -> None:
    """By its host only: the rest may hold a secret."""
    reply = Response(302, {"location": location}, b"")
    assert judge(Request("/x"), reply, 0.0).verdict is Verdict.OVERLOADED
    sample = one(reply)
    assert sample.status is Status.FAILED
    assert said in sample.detail
    assert "secret" not in sample.detail


@pytest.mark.parametrize("body", [{}, {"hello": 1}, {"tiny-lib": 7}, {"tiny-lib": []}])
def test_json_of_another_shape_is_no_number(body: Any) -> None:
    """The record failed."""
    assert one(ok(body)).status is Status.FAILED


# Intervals


def test_a_clipped_interval_is_suspect() -> None:
    """The number is kept for people, and the detail names both intervals."""
    period = Period.parse("2025-06-01:2026-11-01", today=TODAY)
    sample = one(ok(entry("tiny-lib", 9, "2025-07-01", "2026-11-01")), period)
    assert (sample.status, sample.value) == (Status.SUSPECT, 9)
    assert "2025-06-01:2026-11-01" in sample.detail
    assert "2025-07-01:2026-11-01" in sample.detail


def test_a_stale_week_is_suspect() -> None:
    """One of ten days ago is not the last one."""
    sample = one(ok(entry("tiny-lib", 9, "2026-11-04", "2026-11-10")))
    assert sample.status is Status.SUSPECT
    assert "stale" in sample.detail


# Zeros


def good(value: int, days_ago: int = 1, days: int = 7) -> Good:
    """A last good value whose last day was so many days before yesterday."""
    end = dt.date(2026, 11, 20) - dt.timedelta(days=days_ago)
    return Good(value, Interval(end - dt.timedelta(days=days - 1), end), 1_795_000_000.0)


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (None, Status.OK),
        (good(0), Status.OK),
        (good(9), Status.OK),
        (good(10), Status.SUSPECT),
        (good(10, days_ago=28), Status.SUSPECT),
        (good(10, days_ago=29), Status.OK),
        (good(1_000, days_ago=400), Status.SUSPECT),
        (good(30, days=30), Status.OK),  # 7 a week
        (good(43, days=30), Status.SUSPECT),  # 10 a week
        (good(2, days=1), Status.SUSPECT),  # 14 a week
        (Good(10, None, 0.0), Status.SUSPECT),
        (Good(9, None, 0.0), Status.OK),
    ],
)
def test_a_zero_is_held_against_the_last_good_value(last: Good | None, status: Status) -> None:
    """Ten or more lately, or a thousand ever, make it doubtful; else it is a number."""
    sample = one(ok(entry("tiny-lib", 0)), good=last)
    assert (sample.status, sample.value) == (status, 0)
    assert (status is Status.OK) == (sample.detail == "")


def past(name: str, counts: list[int], end: str = END) -> dict[str, Any]:
    """A `range` answer whose last day is *end*."""
    last = dt.date.fromisoformat(end)
    days = [last - dt.timedelta(days=back) for back in range(len(counts) - 1, -1, -1)]
    return {
        "start": str(days[0]),
        "end": end,
        "package": name,
        "downloads": [
            {"downloads": n, "day": str(d)} for n, d in zip(counts, days, strict=True)
        ],
    }


def quiet_day(pasts: Mapping[str, list[int]]) -> Callable[[Request], Reply]:
    """An API where the day reads zero for all, and the days before are given."""

    def answer(request: Request) -> Reply:
        found = asked(request)
        if "/range/" in request.target:
            bodies = {name: past(name, pasts[name]) for name in found}
        else:
            bodies = {name: entry(name, 0, END, END) for name in found}
        return ok(bodies if len(found) > 1 else bodies[found[0]])

    return answer


@pytest.mark.parametrize(
    ("counts", "status", "value"),
    [
        ([60, 60, 60, 60, 60, 60, 60], Status.OK, 420),
        ([60, 60, 60, 60, 60, 60, 0], Status.SUSPECT, 360),
        ([60, 60, 60, 60, 60, 0, 0], Status.SUSPECT, 300),
        ([60, 60, 60, 0, 60, 60, 60], Status.OK, 360),  # an older hole is there to stay
        ([49, 49, 49, 49, 49, 49, 0], Status.OK, 294),  # a day of rest
        ([0, 0, 0, 0, 0, 0, 3], Status.OK, 3),
    ],
)
def test_a_sum_whose_last_days_read_zero_is_not_believed(
    counts: list[int], status: Status, value: int
) -> None:
    """A `point` would have hidden the hole in its sum."""
    sample = one(ok(past("tiny-lib", counts)))
    assert (sample.status, sample.value) == (status, value)
    assert (status is Status.OK) == (sample.detail == "")


def test_days_are_counted_in_whatever_order_they_come() -> None:
    """The last day is the last of the calendar."""
    days = past("tiny-lib", [900, 900, 900, 900, 900, 900, 0])
    days["downloads"].reverse()
    sample = one(ok(days))
    assert (sample.status, sample.value) == (Status.SUSPECT, 5_400)
    assert "2026-11-20 reads 0" in sample.detail


@pytest.mark.parametrize(
    "days",
    [
        [{"downloads": 1, "day": f"2026-11-{day}"} for day in (14, 14, 16, 17, 18, 19, 20)],
        [{"downloads": 1, "day": f"2026-11-{day}"} for day in (13, 14, 15, 16, 17, 18, 19)],
        [{"downloads": 1, "day": f"2026-11-{day}"} for day in range(13, 21)],
        [{"downloads": 1, "day": None}] * 7,
        [{"downloads": 1}] * 7,
        [7] * 7,
        [None],
        [],
    ],
)
def test_other_days_than_those_of_the_interval_are_no_number(days: list[Any]) -> None:
    """Twice the same, one too many, from elsewhere, or none."""
    sample = one(ok({"start": START, "end": END, "package": "tiny-lib", "downloads": days}))
    assert (sample.status, sample.value) == (Status.FAILED, None)
    assert sample.detail.startswith("garbled answer: ")


@pytest.mark.parametrize("count", [-1, 1.0, True, "1", None, 2**53])
def test_a_day_with_no_whole_number_spoils_the_sum(count: Any) -> None:
    """It is not left out of it."""
    days = past("tiny-lib", [5] * 7)
    days["downloads"][3]["downloads"] = count
    assert (one(ok(days)).status, one(ok(days)).value) == (Status.FAILED, None)


def test_days_missing_from_a_sum_are_no_number() -> None:
    """Three days are not a week."""
    days = past("tiny-lib", [5] * 7)
    days["downloads"] = days["downloads"][:3]
    sample = one(ok(days))
    assert (sample.status, sample.value) == (Status.FAILED, None)
    assert sample.detail == "garbled answer: 3 days of the 7 in 2026-11-14:2026-11-20"


def test_a_week_of_zeros_is_looked_at_again_the_first_time() -> None:
    """Where the week before was clearly not zero, the zero is not believed."""

    def answer(request: Request) -> Reply:
        if "last-week" in request.target:
            return ok(past("a", [0] * 7))
        return ok(past("a", [50] * 7 + [0] * 7))

    driven = run(["a"], answer)
    assert driven.targets[1] == "/downloads/range/2026-10-17:2026-11-20/a"
    assert only(driven).status is Status.SUSPECT
    assert "a usual day before had 50" in only(driven).detail


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ([90, 80, 70, 85, 95, 60, 75, 0], Status.SUSPECT),
        ([10, 10, 10, 10, 10, 10, 10, 0], Status.SUSPECT),
        ([90, 0, 70, 0, 95, 0, 75, 0], Status.SUSPECT),  # holes, as react had in 2026-09
        ([0, 0, 0, 0, 0, 0, 0, 0], Status.OK),
        ([0, 900, 4, 1, 0, 0, 2, 0], Status.OK),  # mirrors fetch a release, then nobody
        ([9, 9, 9, 9, 9, 9, 9, 0], Status.OK),
        ([5, 5, 5, 5, 5, 5, 5, 3], Status.SUSPECT),  # the same day asked again: not zero
    ],
)
def test_a_recent_zero_without_history_is_held_against_the_days_before(
    counts: list[int], status: Status
) -> None:
    """One further request over eight days; a usual day of ten or more makes it doubtful."""
    driven = run(["tiny-lib"], quiet_day({"tiny-lib": counts}), DAY)
    assert driven.targets == [
        "/downloads/point/last-day/tiny-lib",
        "/downloads/range/2026-11-13:2026-11-20/tiny-lib",
    ]
    assert (only(driven).status, only(driven).value) == (status, 0)
    assert only(driven).interval == YESTERDAY


def test_the_second_look_is_taken_in_bulk() -> None:
    """Two requests for a whole batch of zeros, not one for each."""
    pasts = {"a": [50] * 7 + [0], "b": [0] * 8, "c": [50] * 7 + [0]}
    driven = run(list(pasts), quiet_day(pasts), DAY)
    assert driven.targets[1:] == ["/downloads/range/2026-11-13:2026-11-20/a,b,c"]
    statuses = {key: sample.status for key, sample in driven.by_key.items()}
    assert statuses == {"a": Status.SUSPECT, "b": Status.OK, "c": Status.SUSPECT}


def test_a_zero_with_history_or_of_an_older_day_is_not_asked_twice() -> None:
    """The last good value speaks for it; and old days have settled."""
    answer = quiet_day({})
    assert len(run(["a"], answer, DAY, {"a": good(0, days=1)}).requests) == 1
    old = Period.parse("2026-11-17", today=TODAY)
    reply = ok(entry("a", 0, "2026-11-17", "2026-11-17"))
    assert len(run(["a"], reply, old).requests) == 1
    assert len(run(["a"], ok(entry("a", 0)), WEEK, {"a": good(0)}).requests) == 1
    assert len(run(["a"], ok(entry("a", 0))).requests) == 2  # a week, for the first time
    recent = Period.parse("2026-11-18", today=TODAY)
    reply = ok(entry("a", 0, "2026-11-18", "2026-11-18"))
    assert len(run(["a"], reply, recent).requests) == 2


@pytest.mark.parametrize(
    "reply",
    [
        Response(503, {}, b""),
        Response(404, JSON, b'{"error":"package a not found"}'),
        Fault(FaultKind.TIMEOUT, "no answer in 30 s"),
        ok(entry("a", 7)),
        ok(past("b", [0] * 8)),
        ok(past("a", [-1] * 8)),
        ok(past("a", [0])),
    ],
)
def test_a_zero_whose_past_cannot_be_read_stays_in_doubt(reply: Reply) -> None:
    """It is asked again by the next run rather than published."""

    def answer(request: Request) -> Reply:
        return reply if "/range/" in request.target else ok(entry("a", 0, END, END))

    sample = only(run(["a"], answer, DAY))
    assert sample.status is Status.SUSPECT
    assert "could not be read" in sample.detail


# Handing over


def test_what_is_known_is_handed_over_before_the_next_request() -> None:
    """A kill during a later request costs that request, not those answered before."""
    driven = run(["a", "b", "c", "d"], refusing("a"))
    known: set[str] = set()
    for step in driven.steps:
        if isinstance(step, Known):
            known |= {sample.key for sample in step.samples}
        elif asked(step) == ["b"]:
            assert known == {"a", "c", "d"}


def test_a_zero_in_doubt_holds_nothing_else_up() -> None:
    """The others of its batch are handed over before the second look."""

    def answer(request: Request) -> Reply:
        if "/range/" in request.target:
            return ok(past("a", [0] * 8))
        return ok({"a": entry("a", 0, END, END), "b": entry("b", 5, END, END)})

    driven = run(["a", "b"], answer, DAY)
    assert [type(step) for step in driven.steps] == [Request, Known, Request]
    assert driven.samples[0].key == "b"


# Batches


def test_batches_have_at_most_128_names_and_a_safe_url() -> None:
    """Short names fill a batch by number, long ones by length."""
    short = list(batches(f"{i:03}" for i in range(300)))
    assert [len(batch) for batch in short] == [128, 128, 44]
    names_ = [f"{i:03}" + "x" * 97 for i in range(100)]
    for batch in batches(names_):
        target = f"/downloads/point/2026-11-01:2026-11-07/{','.join(batch)}"
        assert len(target) <= TARGET_CHARS
    assert sum(map(len, batches(names_))) == 100


def test_the_longest_names_there_can_be_are_batched_and_asked() -> None:
    """214 characters each."""
    keys = [f"{i:02}" + "x" * 212 for i in range(20)]
    driven = run(keys)
    assert {s.status for s in driven.samples} == {Status.OK}
    assert all(len(target) <= TARGET_CHARS for target in driven.targets)


# The provider


def test_the_provider_is_found_by_its_name() -> None:
    """And an unknown one names the nearest."""
    assert get("npm-downloads") is NPM_DOWNLOADS
    assert names() == ("npm-downloads",)
    with pytest.raises(SettingError, match="unknown provider 'npm-download'") as caught:
        get("npm-download")
    assert caught.value.hint == "did you mean 'npm-downloads'?"
    with pytest.raises(SettingError) as caught:
        get("zzz")
    assert caught.value.hint == "known: npm-downloads"


def test_the_shipped_limits_are_those_that_were_let_pass() -> None:
    """0.45 requests a second, one in flight, an hour's cooldown."""
    profile = NPM_DOWNLOADS.profile
    assert profile.quotas == ("0.45/s",)
    assert (profile.max_in_flight, profile.cooldown_s, profile.timeout_s) == (1, 3600.0, 30.0)
