"""npm as it is, in virtual time: a hidden limit, and a long ban for whoever exceeds it.

The provider is the npm simulator's own (`ventil.sim.npm`), so the judge is the same as over
HTTP; the client is the pure governor, driven as its module says. One request after another
is asked for until every one has been answered 200; a throttled one comes back to the queue.

::

    from ventil.sim.lab import banned
    case = banned.case(seed=3)            # hidden limit and ban by seed
    print(banned.run(case, policy))       # bans, pace over the limit once the ban was over
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, Permit, Policy
from ventil.sim.npm import api
from ventil.sim.npm.counts import Counts
from ventil.sim.npm.provider import Provider
from ventil.sim.npm.scenario import Ban, Counting, Quota, Scenario

if TYPE_CHECKING:
    from ventil.core.governor import GovernorState

EPOCH_S = 20_833 * 86_400.0
"""Midnight UTC of 15 January 2027: second 0 of a first run."""

SLOWEST, FASTEST = 0.3, 2.0
SHORTEST_BAN_S, LONGEST_BAN_S = 900.0, 3600.0
WAY = 0.1
"""Part of the latency, and of its unevenness, that comes before a request is counted."""
BULK = 128
"""Unscoped names in one request at most."""

_LIVE = Outcome(Verdict.LIVE)
_BANNED = Outcome(Verdict.THROTTLED, detail="429 without Retry-After")
_TARGET = "/downloads/range/last-week/a"


@dataclass(frozen=True, slots=True)
class Case:
    """A provider and a job: `limit` per `window_s` as `counting` counts, a ban, requests.

    `burst` is that of a bucket. `latency_s` is the median of a lognormal with sigma 0.5.
    `ban_at`: a ban comes at that request whatever the quota says. `stalls`: every so many
    seconds nothing arrives for so many seconds, and then all of it at once (a busy machine).
    """

    seed: int
    limit: int
    window_s: float
    ban_s: float
    requests: int
    counting: Counting = Counting.SLIDING
    burst: int | None = None
    latency_s: float = 0.3
    ban_at: int | None = None
    stalls: tuple[float, float] | None = None

    def arrival_s(self, at_s: float) -> float:
        """When a request arrives that would arrive at `at_s` without stalls."""
        if self.stalls is None:
            return at_s
        every_s, lasts_s = self.stalls
        into_s = at_s % every_s
        return at_s - into_s + lasts_s if into_s < lasts_s else at_s

    @property
    def rate(self) -> float:
        """Requests a second in the long run."""
        return self.limit / self.window_s

    def scenario(self) -> Scenario:
        """For the simulator; `error code: 1015` in text, no Retry-After."""
        quota = Quota(
            limit=self.limit, window_s=self.window_s, counting=self.counting, burst=self.burst
        )
        ban = Ban(seconds=self.ban_s, at=self.ban_at)
        return Scenario(name="npm as it is", quotas=(quota,), ban=ban)


def requests_for(names: int, scoped: float = 2 / 3) -> int:
    """Requests for a catalogue: scoped names one by one, the others in bulk."""
    alone = round(names * scoped)
    return alone + math.ceil((names - alone) / BULK)


def case(seed: int, names: int = 2_000, window_s: float = 60.0) -> Case:
    """A hidden limit of 0.3 to 2 requests a second and a ban of 15 to 60 minutes, by seed."""
    rng = random.Random(f"npm as it is:{seed}")  # noqa: S311 - a model, not a secret
    rate = math.exp(rng.uniform(math.log(SLOWEST), math.log(FASTEST)))
    ban_s = float(round(rng.uniform(SHORTEST_BAN_S, LONGEST_BAN_S)))
    return Case(seed, max(1, round(rate * window_s)), window_s, ban_s, requests_for(names))


@dataclass(frozen=True, slots=True)
class Run:
    """What one run showed, by the simulator's own count.

    `pace`: requests answered per second from the end of the last ban to the end of the run,
    over the limit's rate; from the run's beginning when there was no ban. `during_ban`: sent
    while one ran, the ones that caused it not included. `elapsed_s`: of the whole run.
    """

    case: Case
    bans: int
    during_ban: int
    pace: float
    elapsed_s: float
    state: GovernorState


def run(
    case: Case,
    policy: Policy,
    *,
    state: GovernorState | None = None,
    start_s: float = 0.0,
    give_up_s: float = 4 * 86_400.0,
    most_bans: int = 20,
) -> Run:
    """One run from `start_s` on (seconds after the first run's beginning).

    It ends unfinished after `give_up_s` or `most_bans`; its pace counts what was answered.
    """
    provider = Provider(case.scenario(), Counts({"a": 7}, 7), lambda _: 740_000, case.seed)
    rng = random.Random(f"latency:{case.seed}:{start_s}")  # noqa: S311 - as above
    t = begin_s = EPOCH_S + start_s
    governor = Governor(policy, t, seed=case.seed, state=state)
    asked = api.parse(_TARGET)
    # (time, number, kind, permit): 0 an arrival at the provider, 1 an answer, 2 a wake-up
    heap: list[tuple[float, int, int, Permit | None, int]] = []
    left, retries, done, number = case.requests, 0, 0, 0
    after_ban = 0
    ban_ends_s = begin_s
    wake_s = math.inf
    bans = 0

    def push(at_s: float, kind: int, permit: Permit | None = None, status: int = 0) -> None:
        nonlocal number
        number += 1
        heappush(heap, (at_s, number, kind, permit, status))

    while done < case.requests and t < begin_s + give_up_s and bans <= most_bans:
        while left + retries:
            retry = retries > 0
            answer = governor.admit(t, pending=left + retries, retry=retry, record=number)
            if not isinstance(answer, Permit):
                if answer.until_s is not None and answer.until_s < wake_s:
                    wake_s = max(answer.until_s, t + 1e-6)
                    push(wake_s, 2)
                break
            if retry:
                retries -= 1
            else:
                left -= 1
            took_s = case.latency_s * math.exp(rng.gauss(0.0, 0.5))
            push(case.arrival_s(t + WAY * took_s), 0, answer)
        t, _, kind, permit, status = heappop(heap)
        if t >= wake_s:
            wake_s = math.inf
        if kind == 0:
            reply = provider.arrive(t, asked, len(_TARGET), gzips=False)
            provider.settle(reply, aborted=False)
            report = provider.report()
            if report.bans > bans:
                bans, ban_ends_s, after_ban = report.bans, t + case.ban_s, 0
            push(t + (1 - WAY) * case.latency_s, 1, permit, reply.status)
        elif kind == 1:
            assert permit is not None  # noqa: S101 - only wake-ups have none
            if status == 200:
                done += 1
                after_ban += 1
                governor.settle(permit, t, _LIVE)
            else:
                retries += 1
                governor.settle(permit, t, _BANNED)
    report = provider.report()
    span_s = t - ban_ends_s
    return Run(
        case=case,
        bans=report.bans,
        during_ban=report.during_ban,
        pace=after_ban / span_s / case.rate if span_s > 0 else 0.0,
        elapsed_s=t - begin_s,
        state=governor.state(t, final=True),
    )
