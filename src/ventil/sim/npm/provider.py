"""The simulated provider: a request arrives, an answer is decided. No I/O, no sleeping.

The order of things on arrival: it is counted; a running ban answers; a due ban starts; the
quotas; the cap of requests in flight; the length of the URL; behaviours that answer in the
API's place; the API; behaviours that spoil its answer or the delivery.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import TypeVar

import msgspec

from ventil.sim.npm import api, pages
from ventil.sim.npm.answer import Answer, Cut, Never, Pour, Rst, Trickle
from ventil.sim.npm.counts import Counts
from ventil.sim.npm.garble import garble
from ventil.sim.npm.limits import Jail, Meter
from ventil.sim.npm.scenario import (
    Behaviour,
    Bomb,
    Delay,
    Endless,
    Fail,
    Garble,
    Hang,
    Huge,
    Page,
    Redirect,
    Refuse,
    Reset,
    RetryAfter,
    Scenario,
    Slow,
    Truncate,
    Unknown,
    When,
    Zero,
)
from ventil.sim.npm.tally import QuotaReport, Report, Tally

_encode = msgspec.json.Encoder().encode
_B = TypeVar("_B")


class Provider:
    """One provider at work: counts, scenario and everything it remembers.

    *today* gives the server's day as an ordinal.
    """

    def __init__(
        self, scenario: Scenario, counts: Counts, today: Callable[[float], int], seed: int = 0
    ) -> None:
        self.scenario = scenario
        self._counts = counts
        self._today = today
        self._seed = seed
        self.tally = Tally()
        self.reset(None)

    def reset(self, now_s: float | None) -> None:
        """Forget every request, quota and ban; times of behaviours start at *now_s*.

        None: they start with the first request.
        """
        self._start_s = now_s
        in_flight = self.tally.in_flight  # these still end, and are counted when they do
        self.tally = Tally(in_flight=in_flight, max_in_flight=in_flight)
        self._meters = [Meter(quota) for quota in self.scenario.quotas]
        self._jail = Jail(self.scenario.ban)
        self._acted = [0] * len(self.scenario.behaviours)
        self._random = random.Random(self._seed)  # noqa: S311 - a simulation, not a secret

    def arrive(self, now_s: float, asked: api.Asked, target_bytes: int, gzips: bool) -> Answer:
        """Count the request and decide its answer. Call `settle` when it has ended."""
        if self._start_s is None:
            self._start_s = now_s
        number = self.tally.arrive(now_s, asked.names)
        scenario = self.scenario
        answer = self._limited(now_s, number)
        if answer is None and target_bytes > scenario.max_target_bytes:
            answer = Answer(400, pages.HTML, pages.LONG_URL, behaviour="long-url")
        if answer is None:
            acting = self._acting(now_s, number, asked) if scenario.behaviours else []
            answer = self._instead(acting) if acting else None
            if answer is None:
                answer = self._answer(now_s, asked, acting)
            if acting:
                _deliver(answer, acting)
            if scenario.latency_s:
                answer.delay_s += self._latency_s()
        for meter in self._meters:
            answer.fields += tuple(meter.fields(now_s))
        if gzips and scenario.gzip and answer.body and answer.delivery is None:
            _compress(answer)
        return answer

    def connect(self, now_s: float) -> bool:
        """Count a connection. False: it is to be reset at once."""
        self.tally.connections += 1
        age_s = 0.0 if self._start_s is None else now_s - self._start_s
        for index, behaviour in enumerate(self.scenario.behaviours):
            if (
                isinstance(behaviour, Reset)
                and behaviour.at_accept
                and self._applies(index, behaviour, age_s, self.tally.connections, ())
            ):
                self._acted[index] += 1
                self.tally.by_behaviour["reset"] += 1
                return False
        return True

    def settle(self, answer: Answer, *, aborted: bool) -> None:
        """The answer went out, or (*aborted*) the client left before its end."""
        unsent = isinstance(answer.delivery, Never | Rst)
        status = 0 if unsent else answer.status
        self.tally.settle(status, answer.behaviour, answer.names, aborted)

    def report(self) -> Report:
        """What was counted so far."""
        tally = self.tally
        return Report(
            requests=tally.requests,
            by_status=dict(sorted(tally.by_status.items())),
            by_behaviour=dict(sorted(tally.by_behaviour.items())),
            aborted=tally.aborted,
            max_in_flight=tally.max_in_flight,
            bans=self._jail.bans,
            during_ban=self._jail.requests_during,
            quotas=tuple(
                QuotaReport(
                    counting=meter.quota.counting.value,
                    limit=meter.quota.limit,
                    window_s=meter.quota.window_s,
                    refused=meter.refused,
                    violations=meter.violations,
                    worst_excess=meter.worst_excess,
                )
                for meter in self._meters
            ),
            lasted_s=tally.last_s - tally.first_s,
            connections=tally.connections,
            user_agents=dict(tally.user_agents),
            names=dict(tally.names),
            answered=dict(tally.answered),
        )

    # The limits

    def _limited(self, now_s: float, number: int) -> Answer | None:
        ban = self.scenario.ban
        exceeded: tuple[float, Meter] | None = None
        for meter in self._meters:  # every one counts every arrival, banned or not
            wait_s = meter.arrive(now_s)
            if wait_s is None or not meter.quota.enforced:
                continue
            if exceeded is None or wait_s > exceeded[0]:
                exceeded = (wait_s, meter)
        if ban is not None:
            left_s = self._jail.holds(now_s)
            if left_s is None and (self._jail.due(number) or exceeded is not None):
                left_s = self._jail.start(now_s)
            if left_s is not None:
                return _throttle(ban.page, ban.retry_after, left_s, now_s, "ban")
        if exceeded is not None:
            wait_s, meter = exceeded
            quota = meter.quota
            return _throttle(quota.page, quota.retry_after, wait_s, now_s, "quota")
        most = self.scenario.max_in_flight
        if most is not None and self.tally.in_flight > most:
            content_type, body = pages.limited(Page.TEXT)
            status = self.scenario.in_flight_status
            return Answer(status, content_type, body, behaviour="in-flight")
        return None

    # Behaviours

    def _acting(self, now_s: float, number: int, asked: api.Asked) -> list[Behaviour]:
        age_s = now_s - (self._start_s or 0.0)
        acting = []
        for index, behaviour in enumerate(self.scenario.behaviours):
            if isinstance(behaviour, Reset) and behaviour.at_accept:
                continue  # `connect` sees to it
            if self._applies(index, behaviour, age_s, number, asked.names):
                acting.append(behaviour)
                self._acted[index] += 1
        return acting

    def _applies(
        self, index: int, behaviour: When, age_s: float, number: int, names: tuple[str, ...]
    ) -> bool:
        if number <= behaviour.after:
            return False
        if behaviour.count is not None and number > behaviour.after + behaviour.count:
            return False
        if age_s < behaviour.from_s:
            return False
        if behaviour.until_s is not None and age_s >= behaviour.until_s:
            return False
        if behaviour.names:
            found = [name in names for name in behaviour.names]
            if not (all(found) if behaviour.together else any(found)):
                return False
        if behaviour.times is not None and self._acted[index] >= behaviour.times:
            return False
        return behaviour.chance >= 1.0 or self._draw(index, number) < behaviour.chance

    def _draw(self, index: int, number: int) -> float:
        # By seed and number, not from one stream: what one behaviour draws must not depend
        # on which others are in the scenario.
        text = f"{self._seed}/{index}/{number}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big") / 2**56

    def _latency_s(self) -> float:
        scenario = self.scenario
        if not scenario.latency_sigma:
            return scenario.latency_s
        return self._random.lognormvariate(math.log(scenario.latency_s), scenario.latency_sigma)

    @staticmethod
    def _instead(acting: list[Behaviour]) -> Answer | None:
        for behaviour in acting:
            match behaviour:
                case Refuse():
                    return Answer(403, pages.HTML, pages.BLOCKED, behaviour="refuse")
                case Fail(status=status, retry_after=retry_after):
                    fields = (("Retry-After", retry_after),) if retry_after else ()
                    page = pages.failed(status)
                    return Answer(status, pages.HTML, page, fields, behaviour="fail")
                case Hang(seconds=seconds):
                    return Answer(0, delivery=Never(seconds), behaviour="hang")
                case Reset():
                    return Answer(0, delivery=Rst(), behaviour="reset")
                case Redirect(to=to, status=status):
                    fields = (("Location", to),)
                    return Answer(status, pages.HTML, pages.MOVED, fields, behaviour="redirect")
                case Endless():
                    return Answer(200, pages.JSON, delivery=Pour(None), behaviour="endless")
                case Huge(size=size):
                    return Answer(200, pages.JSON, delivery=Pour(size), behaviour="huge")
                case Bomb(size=size):
                    fields = (("Content-Encoding", "gzip"),)
                    packed = Pour(size, packed=True)
                    return Answer(
                        200, pages.JSON, fields=fields, delivery=packed, behaviour="bomb"
                    )
        return None

    def _answer(self, now_s: float, asked: api.Asked, acting: list[Behaviour]) -> Answer:
        last_day = self._today(now_s) - self.scenario.lag_days
        view = api.View(self._counts, last_day)
        behaviour = ""
        if acting:
            view, behaviour = _hide(view, acting, asked)
        status, value = api.answer(asked, view)
        answered = asked.names if status in (200, 404) else ()
        spoil = _first(acting, Garble)
        if spoil is None or status != 200:
            body = _encode(value)
            return Answer(status, pages.JSON, body, behaviour=behaviour, names=answered)
        answer = garble(spoil.how, value, asked)
        answer.behaviour = "garble"
        return answer


def _hide(view: api.View, acting: list[Behaviour], asked: api.Asked) -> tuple[api.View, str]:
    unknown = {n for b in acting if isinstance(b, Unknown) for n in b.names}
    zeros = [b for b in acting if isinstance(b, Zero)]
    behaviour = ""
    if not unknown.isdisjoint(asked.names):
        view = replace(view, unknown=unknown.__contains__)
        behaviour = "unknown"
    if zeros:
        last_day = view.last_day

        def zero(name: str, day: int) -> bool:
            return any(_is_zero(b, name, day, last_day) for b in zeros)

        view = replace(view, zero=zero)
        behaviour = "zero"
    return view, behaviour


def _is_zero(behaviour: Zero, name: str, day: int, last_day: int) -> bool:
    if behaviour.names and name not in behaviour.names:
        return False
    if not behaviour.last_days and not behaviour.days:
        return True
    if day > last_day - behaviour.last_days:
        return True
    return any(day == chosen.toordinal() for chosen in behaviour.days)


def _deliver(answer: Answer, acting: list[Behaviour]) -> None:
    delay = _first(acting, Delay)
    if delay is not None:
        answer.delay_s += delay.seconds
    if answer.delivery is not None:
        return
    slow, cut = _first(acting, Slow), _first(acting, Truncate)
    if cut is not None:
        answer.delivery = Cut(int(len(answer.body) * cut.share))
        answer.behaviour, answer.names = "truncate", ()
    elif slow is not None:
        answer.delivery = Trickle(slow.piece, slow.pause_s)
        answer.behaviour = answer.behaviour or "slow"


def _first(acting: list[Behaviour], kind: type[_B]) -> _B | None:
    return next((b for b in acting if isinstance(b, kind)), None)


def _compress(answer: Answer) -> None:
    if any(name == "Content-Encoding" for name, _ in answer.fields):
        return
    answer.body = gzip.compress(answer.body, 1, mtime=0)
    answer.fields += (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))


def _throttle(
    page: Page, retry_after: RetryAfter, wait_s: float, now_s: float, behaviour: str
) -> Answer:
    content_type, body = pages.limited(page)
    fields: tuple[tuple[str, str], ...] = ()
    if retry_after is RetryAfter.SECONDS:
        fields = (("Retry-After", str(math.ceil(wait_s))),)
    elif retry_after is RetryAfter.DATE:
        # Rounded up: an HTTP-date has whole seconds, and coming back early is a violation.
        date = formatdate(math.ceil(now_s + wait_s), usegmt=True)
        fields = (("Retry-After", date), ("Date", formatdate(now_s, usegmt=True)))
    elif retry_after is RetryAfter.ZERO:
        fields = (("Retry-After", "0"),)
    return Answer(429, content_type, body, fields, behaviour=behaviour)
