"""The registries of packages: what each lets us ask, and how it says slow down.

The base URLs of the npm registry and of PyPI are not ours to say: they are the user's,
whose own client is configured for them, mirrors included (`ventil.config.registries`).
"""

from __future__ import annotations

from dataclasses import replace

from ventil.core.exchange import Outcome, Reply, Request, Response, Verdict
from ventil.core.outcome import judge_http
from ventil.providers.profile import Api, Profile

NPM_REGISTRY_PROFILE = Profile(
    name="npm-registry",
    title="npm registry",
    base_url="",
    quotas=("2/s",),
    max_in_flight=2,
    cooldown_s=300.0,
    timeout_s=60.0,
    latency_s=0.2,
    wants_contact=True,
    etiquette=(
        "No limits are published. 5 million requests a month over all of npm's services is"
        " called unreasonable, which is 1.9 a second (npm open-source terms, read 2026-11).",
        "30 requests in a row were let pass, and 5 a second settled on"
        " (sudoeffortsss/truthlag, 2026).",
        "The search endpoint throttles after about 10 requests, with `retry-after: 0`"
        " (ayagmar/pi-extmgr#25, 2026-09): a wait of 0 is taken as no time named.",
        "A manifest (`/NAME/latest`) is some kB; the whole packument can exceed 10 MB"
        " (npm/registry docs, read 2026-11), and is never asked for.",
    ),
)

PYPI_PROFILE = Profile(
    name="pypi",
    title="PyPI",
    base_url="",
    quotas=("1/s",),
    max_in_flight=1,
    cooldown_s=300.0,
    timeout_s=60.0,
    latency_s=0.2,
    wants_contact=True,
    etiquette=(
        "No limit at the edge; asked for are a User-Agent with a contact, requests one after"
        " another, not thousands in minutes, and ETags (pypi/warehouse docs/dev/api-reference,"
        " read at 2026-08-21).",
        "Names that are not normalised cost a redirect; answers may be 15 minutes old (the"
        " same).",
    ),
)

RUBYGEMS_PROFILE = Profile(
    name="rubygems",
    title="RubyGems",
    base_url="https://rubygems.org",
    quotas=("2/s",),
    max_in_flight=2,
    cooldown_s=120.0,
    timeout_s=60.0,
    latency_s=0.2,
    wants_contact=True,
    etiquette=(
        "10 requests a second for an address; over it 429, whose Retry-After is promised for"
        " the application's own limits only (rubygems/guides rubygems-org-rate-limits,"
        " 2026-08-06).",
        "A fifth of that is asked here: nobody waits for it.",
    ),
)

CRATES_PROFILE = Profile(
    name="crates",
    title="crates.io API",
    base_url="https://crates.io",
    quotas=("0.9/s",),
    max_in_flight=1,
    cooldown_s=300.0,
    timeout_s=30.0,
    latency_s=0.2,
    wants_contact=True,
    etiquette=(
        "At most a request a second, and a User-Agent that says who asks, with a contact;"
        " else 403 (crates.io/data-access, read at 2026-08-21).",
        "The index, the archives and the daily dump are preferred to it (the same): the"
        " search for changelogs uses those alone.",
    ),
)

CRATES_INDEX_PROFILE = Profile(
    name="crates-index",
    title="crates.io sparse index",
    base_url="https://index.crates.io",
    quotas=("10/s",),
    max_in_flight=4,
    cooldown_s=60.0,
    timeout_s=30.0,
    latency_s=0.1,
    wants_contact=False,
    etiquette=(
        "Without a limit, and preferred to the API (crates.io/data-access, read at"
        " 2026-08-21); ten a second is our own measure.",
    ),
)

CRATES_STATIC_PROFILE = replace(
    CRATES_INDEX_PROFILE,
    name="crates-static",
    title="crates.io archives",
    base_url="https://static.crates.io",
)


def judge_registry(request: Request, reply: Reply, now_s: float) -> Outcome:
    """As HTTP says; a page of an edge that throttles is a throttle with any status.

    Cloudflare's 1015 comes as 429, and has come as 403 (see `npm_replies`).
    """
    outcome = judge_http(reply, now_s)
    if not isinstance(reply, Response) or reply.status not in (403, 503):
        return outcome
    top = reply.body[:16384].lower()
    if b"error code: 1015" in top or b"you are being rate limited" in top:
        return replace(
            outcome, verdict=Verdict.THROTTLED, detail=f"{reply.status} throttled (error 1015)"
        )
    return outcome


def judge_crates(request: Request, reply: Reply, now_s: float) -> Outcome:
    """As `judge_registry`; a 403 of the API is about our User-Agent, and asks for a stop."""
    outcome = judge_registry(request, reply, now_s)
    if outcome.verdict is Verdict.REFUSED:
        return replace(outcome, detail="403: crates.io wants a User-Agent with a contact")
    return outcome


def judge_files(request: Request, reply: Reply, now_s: float) -> Outcome:
    """As `judge_registry`; a 403 of a file store says that there is no such file.

    S3 answers 403 in place of 404 where listing is not allowed (docs.aws.amazon.com,
    GetObject, read 2026-11).
    """
    outcome = judge_registry(request, reply, now_s)
    if outcome.verdict is Verdict.REFUSED and isinstance(reply, Response):
        return replace(outcome, verdict=Verdict.LIVE)
    return outcome


NPM_REGISTRY = Api(NPM_REGISTRY_PROFILE, judge_registry)
PYPI = Api(PYPI_PROFILE, judge_registry)
RUBYGEMS = Api(RUBYGEMS_PROFILE, judge_registry)
CRATES = Api(CRATES_PROFILE, judge_crates)
CRATES_INDEX = Api(CRATES_INDEX_PROFILE, judge_files)
CRATES_STATIC = Api(CRATES_STATIC_PROFILE, judge_files)
