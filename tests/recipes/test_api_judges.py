"""What the replies of code hosts and registries mean to the governor."""

from __future__ import annotations

import json

import pytest

from ventil import providers
from ventil.core.exchange import Fault, FaultKind, Request, Response, Verdict
from ventil.core.quota import Quota
from ventil.errors import SettingError
from ventil.providers.code_hosts import judge_codeberg
from ventil.providers.github import judge
from ventil.providers.package_registries import judge_files, judge_registry

NOW_S = 1_795_219_200.0
REST = Request("/repos/o/r/releases")
GRAPHQL = Request("/graphql", method="POST")
BUDGET = {
    "x-ratelimit-limit": "5000",
    "x-ratelimit-used": "5000",
    "x-ratelimit-resource": "core",
    "x-ratelimit-reset": str(int(NOW_S) + 1200),
}

SPENT = {**BUDGET, "x-ratelimit-remaining": "0"}


def reply(status: int, body: object = "", **headers: str) -> Response:
    """A response; underscores in names stand for hyphens."""
    data = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, data.encode())


@pytest.mark.parametrize("status", [403, 429])
def test_the_primary_limit_names_its_reset(status: int) -> None:
    """remaining is 0, and reset says when to go on."""
    said = {"message": "API rate limit exceeded for 192.0.2.1."}
    outcome = judge(REST, reply(status, said, **SPENT), NOW_S)
    assert outcome.verdict is Verdict.THROTTLED
    assert outcome.retry_after_s == 1200.0


@pytest.mark.parametrize("status", [403, 429])
def test_the_secondary_limit_is_not_about_the_budget(status: int) -> None:
    """Retry-After counts; without one no time is named, whatever the reset says."""
    said = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}
    rest = {**BUDGET, "x-ratelimit-remaining": "4000"}
    outcome = judge(REST, reply(status, said, retry_after="60", **rest), NOW_S)
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.THROTTLED, 60.0)
    outcome = judge(REST, reply(status, said, **rest), NOW_S)
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.THROTTLED, None)


def test_a_403_about_the_repository_is_no_throttle() -> None:
    """Blocked, or no right to it."""
    outcome = judge(REST, reply(403, {"message": "Repository access blocked"}), NOW_S)
    assert outcome.verdict is Verdict.REFUSED


def test_graphql_says_slow_down_with_status_200() -> None:
    """The primary limit by its type, the secondary one by its message."""
    spent = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}
    outcome = judge(GRAPHQL, reply(200, spent, **SPENT), NOW_S)
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.THROTTLED, 1200.0)
    second = {"errors": [{"message": "You have exceeded a secondary rate limit."}]}
    outcome = judge(GRAPHQL, reply(200, second), NOW_S)
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.THROTTLED, None)


def test_a_repository_that_is_missing_is_an_answer() -> None:
    """Errors about one alias say nothing about pace."""
    missing = {"data": {"r0": None}, "errors": [{"type": "NOT_FOUND", "path": ["r0"]}]}
    assert judge(GRAPHQL, reply(200, missing), NOW_S).verdict is Verdict.LIVE


def test_a_query_that_took_too_long_is_handed_on() -> None:
    """To ask the same again would take as long; an outage is another matter."""
    late = {"errors": [{"message": "Something went wrong while executing your query."}]}
    assert judge(GRAPHQL, reply(502, late), NOW_S).verdict is Verdict.LIVE
    assert judge(GRAPHQL, reply(502, "<html>"), NOW_S).verdict is Verdict.OVERLOADED
    assert judge(GRAPHQL, reply(200, "<html>"), NOW_S).verdict is Verdict.OVERLOADED
    fault = Fault(FaultKind.TIMEOUT, "no answer")
    assert judge(GRAPHQL, fault, NOW_S).verdict is Verdict.OVERLOADED


def test_registries_and_forges_have_their_own_spellings() -> None:
    """A throttle with status 403, a 403 for 404, a page that wants a browser."""
    page = reply(403, "error code: 1015")
    assert judge_registry(REST, page, NOW_S).verdict is Verdict.THROTTLED
    assert judge_files(REST, page, NOW_S).verdict is Verdict.THROTTLED
    assert judge_files(REST, reply(403, "<Error>"), NOW_S).verdict is Verdict.LIVE
    assert judge_registry(REST, reply(403), NOW_S).verdict is Verdict.REFUSED
    wall = reply(200, "<title>Making sure you're not a bot!</title>", content_type="text/html")
    assert judge_codeberg(REST, wall, NOW_S).verdict is Verdict.THROTTLED
    assert judge_codeberg(REST, reply(200, "[]"), NOW_S).verdict is Verdict.LIVE


def test_every_api_has_its_manners_on_record() -> None:
    """Quotas that parse, and a source with a year for what is known."""
    for name in providers.api_names():
        api = providers.api(name)
        assert [Quota.parse(text) for text in (*api.profile.quotas, *api.anonymous_quotas)]
        assert any("20" in line for line in api.profile.etiquette)
        assert providers.profiles()[name] is api.profile
    with pytest.raises(SettingError, match="unknown provider 'githib'") as caught:
        providers.api("githib")
    assert caught.value.hint == "did you mean 'github'?"
