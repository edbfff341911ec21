"""The simulated hosts limit as the real ones do, and count what exceeds."""

from __future__ import annotations

import json

import pytest

from ventil import providers
from ventil.core.exchange import Request, Response, Verdict
from ventil.sim.hosts import NAMES, Hosts, Mood, build
from ventil.sim.hosts.answer import Answer

URLS = {name: f"http://127.0.0.1:{9000 + number}" for number, name in enumerate(NAMES)}
START_S = 1_795_219_200.0
QUERY = json.dumps({"query": 'query { r0: repository(owner:"o",name:"r"){nameWithOwner} }'})


@pytest.fixture
def hosts() -> Hosts:
    """Hosts of a small world."""
    return Hosts(build(20, 0), URLS)


def get(hosts: Hosts, host: str, target: str, now_s: float = START_S, **headers: str) -> Answer:
    """One GET."""
    return hosts.respond(host, "GET", target, headers, b"", now_s)


@pytest.mark.parametrize(
    ("host", "count"),
    [("npm-registry", 31), ("rubygems", 11), ("crates", 2), ("gitlab", 501)],
)
def test_bursts_are_refused_and_counted(hosts: Hosts, host: str, count: int) -> None:
    """As many as a window lets pass, and one more; our own judge knows the refusal."""
    answers = [get(hosts, host, "/x", START_S + 0.001 * n) for n in range(count)]
    assert all(answer.status != 429 for answer in answers[:-1])
    assert answers[-1].status == 429
    assert hosts.violations[host] == 1
    lower = {name.lower(): text for name, text in answers[-1].headers.items()}
    reply = Response(429, lower, answers[-1].body)
    judged = providers.api(host).judge(Request("/x"), reply, START_S)
    assert judged.verdict is Verdict.THROTTLED


def test_codeberg_puts_up_a_wall(hosts: Hosts) -> None:
    """A page that wants a browser, with status 200."""
    answers = [get(hosts, "codeberg", "/x", START_S + 0.01 * n) for n in range(61)]
    reply = Response(200, answers[-1].headers, answers[-1].body)
    judged = providers.api("codeberg").judge(Request("/x"), reply, START_S)
    assert (answers[-1].status, judged.verdict) == (200, Verdict.THROTTLED)


def test_github_without_a_token_is_sixty_an_hour(hosts: Hosts) -> None:
    """The sixty-first is a 403 or 429 that names its reset; an hour later it goes on."""
    answers = [get(hosts, "github", "/repos/o/r/releases", START_S + n) for n in range(61)]
    assert [answer.status for answer in answers[:60]] == [404] * 60
    last = answers[60]
    assert last.status in (403, 429)
    assert last.headers["x-ratelimit-remaining"] == "0"
    judged = providers.api("github").judge(
        Request("/repos/o/r/releases"), Response(last.status, last.headers, last.body),
        START_S + 60,
    )  # fmt: skip
    assert judged.verdict is Verdict.THROTTLED
    assert judged.retry_after_s == pytest.approx(3540, abs=2)
    assert get(hosts, "github", "/repos/o/r/releases", START_S + 3601).status == 404


def test_graphql_says_it_with_status_200(hosts: Hosts) -> None:
    """5,000 points, then an error of type RATE_LIMITED; without a token nothing at all."""
    headers = {"authorization": "Bearer sim-token"}

    def post(number: int, fields: dict[str, str]) -> Answer:
        when_s = START_S + 0.1 * number
        return hosts.respond("github", "POST", "/graphql", fields, QUERY.encode(), when_s)

    assert post(0, {}).status == 401
    for number in range(5000):
        answer = post(number, headers)
    assert json.loads(answer.body)["data"] == {"r0": None}
    spent = post(5001, headers)
    assert spent.status == 200
    judged = providers.api("github").judge(
        Request("/graphql", method="POST"), Response(200, spent.headers, spent.body), START_S
    )
    assert judged.verdict is Verdict.THROTTLED


def test_a_304_is_free_of_the_primary_quota() -> None:
    """An ETag that is sent back costs nothing."""
    world = build(60, 0)
    hosts = Hosts(world, URLS)
    repo = next(r for r in world.repos.values() if r.host == "github" and r.exists)
    target = f"/repos/{repo.path}/releases"
    first = get(hosts, "github", target)
    used = hosts.limits["github"].budgets["core anonymous"].used
    again = hosts.respond(
        "github", "GET", target, {"If-None-Match": first.headers["etag"]}, b"", START_S + 2
    )
    assert (again.status, again.body) == (304, b"")
    assert hosts.limits["github"].budgets["core anonymous"].used == used


def test_moods_make_trouble() -> None:
    """5xx, silence and secondary limits, in their shares."""
    hosts = Hosts(build(5, 0), URLS, mood=Mood(failing=0.3, silent=0.1, secondary=0.3))
    answers = [get(hosts, "github", "/repos/o/r/releases", START_S + 61 * n) for n in range(55)]
    assert any(answer.never for answer in answers)
    assert any(answer.status >= 500 and not answer.never for answer in answers)
    assert any(b"secondary rate limit" in answer.body for answer in answers)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "{",
        "query { viewer { login } }",
        "query { r: repository(owner: 1 { x } }",
        '"',
        "{ }}",
    ],
)
def test_queries_that_github_would_refuse(hosts: Hosts, query: str) -> None:
    """Errors, and nothing else."""
    headers = {"authorization": "Bearer sim-token"}
    body = json.dumps({"query": query}).encode()
    answer = hosts.respond("github", "POST", "/graphql", headers, body, START_S)
    assert answer.status in (200, 400)
    assert b"data" not in answer.body
