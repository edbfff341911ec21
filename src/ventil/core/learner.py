"""The quota learner: how many requests per second a provider lets through, when it won't say.

*Resume to resume.* A throttle closes the gate; after it, the first request that is
answered is a *resume*. At each resume the provider's meter has just been refilled, so what
was let through between two resumes, divided by the time between them, is the rate of the
meter, and equally so for a token bucket, a fixed window and a sliding log. (From drain to
drain it is not: a fixed window would look up to twice as fast.) The rate is used at 99 %,
spaced out, so that the next throttle need never come.

*The bracket.* That quotient is the least that the rate can be. A bucket that holds one
request, or a window whose Retry-After is rounded up, was full and unasked for part of each
pause; without those pauses the quotient is the most. So a first measurement leaves a bracket,
and it is halved: the rate rises to the (geometric) middle, and if that is refused the rate
before it held, and the middle is the new upper end. A rate that was guessed from a handful
of requests is raised by half until it is refused, and then the same.

*Too many at once is not too many per second.* Who comes late may catch up, but not after a
resume: then there is nothing to spend. And when a throttle comes after requests that followed
one another more closely than the rate has them, it is not the rate that is lowered, but what
may be caught up with.

*Looking up.* A quota may have been larger than it seemed, or have grown. When the learned rate
has held for a while and is in use, it is raised gently until a throttle says stop; then it is
again what it was before that step. Once it is plainly above what was measured, the quota must
have grown (another client may have ended), and it is raised faster. Every throttle that only
confirms the old rate doubles the time until the next look, up to 30 s or 750 requests,
whichever is longer, and two minutes at most: what a look costs is a few rejections, whatever
the rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

USE = 0.99
FIRST_LOOK_S = 15.0
STEP_S = (4.0, 6.0)
STEP_AFTER = 50.0
"""A step is tried for as long as so many requests take, within `STEP_S`; and for
`STEP_FEWEST` at least, where these take longer."""
STEP_FEWEST = 10.0
MOST_STEP = 0.08
PLAINLY_ABOVE = 1.2
"""Times the measured rate; from there on a step is up to `FAST_STEP`."""
FAST_STEP = 0.25
NARROW = 1.06
"""Times the rate; an upper end below that is as good as reached."""
GUESS = 8
"""From fewer requests than this a rate is guessed, not measured: it is raised by
`GUESS_STEP` after so many, until it is refused."""
GUESS_STEP = 0.5
SHORTEST_STEP_S = 1.0
ENOUGH = 100
FEW = 20
FEW_S = 5.0
"""A sample is good with `ENOUGH` requests, or with `FEW` over `FEW_S` or more."""
MOST_LOWER = 0.7
NAMED_IN_S = 1.05
"""By so much a Retry-After in whole seconds, and our jitter, may be later than need be."""
BURST_S = 0.2
"""Who comes late may catch up with this much, or a quarter of the time between two, as long
as no throttle comes of it; never with less than `LEAST_BURST_S`."""
LEAST_BURST_S = 0.02
CROWDED = 0.9
"""Two requests nearer than this part of the time between two have followed closely."""
LONGEST_LOOK_S = 120.0
LONG_LOOK_S = 30.0
LOOK_AFTER = 750.0
"""Looks that only confirmed get as rare as one in `LONG_LOOK_S`, one in so many requests, or
one in `LONGEST_LOOK_S`. Two clients of one quota find each other's end by looking: at 120 s
for all, they took 5 % longer than one would, at this 3 % (lab F2, means of 40 seeds)."""
USUAL_WINDOWS_S = (5, 10, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 86400)
FORGET_S = 120.0
IDLE_S = 10.0
"""Nothing sent for so long is a pause, which says nothing about the quota."""


class QuotaLearner:
    """Mutable; told of throttles and resumes by the governor.

    `rate` is in requests per second, None while there is no reason to pace. `admitted`
    counts weight that was sent and not throttled.
    """

    __slots__ = (
        "_anchor_s",
        "_at_anchor",
        "_burst_s",
        "_confident",
        "_crowded_s",
        "_held",
        "_last_look_s",
        "_last_take_s",
        "_last_throttle_s",
        "_look_after_s",
        "_measured",
        "_named",
        "_owed_s",
        "_refused",
        "_reset_s",
        "_resume_s",
        "_samples",
        "_soon",
        "_started",
        "_steps",
        "_unused_s",
        "_window",
        "_working_since_s",
        "admitted",
        "rate",
        "resuming",
    )

    def __init__(self) -> None:
        self.rate: float | None = None
        self.admitted = 0
        self.resuming = False  # a throttle is being waited out
        self._confident = False
        self._anchor_s: float | None = None  # where the running measurement began
        self._at_anchor = 0
        self._resume_s: float | None = None  # the latest resume
        self._measured = 0.0  # the latest good measurement
        self._samples = 0.0  # weight that the present rate rests on
        self._steps = 0  # looks upward since the last throttle
        self._held = 0.0  # the rate before the latest of them
        self._refused: float | None = None  # the bracket's upper end: not so fast
        self._unused_s = 0.0  # since the anchor, in which the meter may have been full
        self._named = False  # the latest throttle named a time
        self._soon = False  # the latest throttle came soon after a resume
        self._burst_s = inf  # what may be caught up with at most
        self._crowded_s = -inf  # when a request last followed closely
        self._last_look_s = 0.0
        self._last_throttle_s = 0.0
        self._look_after_s = FIRST_LOOK_S
        self._owed_s = 0.0  # when the next request is due
        self._started = False
        self._last_take_s = 0.0
        self._working_since_s = 0.0
        self._reset_s: float | None = None
        self._window: tuple[float, float] | None = None  # (limit, seconds)

    def begin(self, now_s: float) -> None:
        """The first request of all is sent."""
        if not self._started:
            self._started = True
            self._anchor_s = now_s
            self._at_anchor = self.admitted

    def interrupted(self) -> None:
        """Something else than the quota held requests back: start measuring anew."""
        self._anchor_s = None

    def throttled(self, now_s: float, *, named: bool = False) -> None:
        """A burst of throttles began, or the request that checked was throttled again.

        `named`: with a time to wait. What can be told at once is: they came too closely, or
        the latest step upward was one too many.
        """
        rate, resume_s = self.rate, self._resume_s
        if rate is not None and resume_s is not None and not self.resuming:
            crowded = now_s - self._crowded_s < max(1.0, 2.0 / rate)
            if crowded:
                self._burst_s = max(LEAST_BURST_S, 0.5 * self._burst(rate))
            self._soon = not crowded and now_s - resume_s < max(2.0, 5.0 / rate)
            if self._steps > 0:
                self._refused, self.rate = rate, self._held
        self.resuming = True
        self._named = named
        self._last_throttle_s = now_s

    def resumed(self, now_s: float, sent_s: float, admitted: int, throughput: float) -> None:
        """The first request after a throttle, sent at `sent_s`, is answered now.

        `admitted`: weight let through before it; `throughput`: answers per second before
        the throttle. Measured is from the anchor, an earlier resume, far enough back for a
        good sample. When the rate was raised since then, the sample would mostly tell our
        own pace: then measure anew. After the first throttle of all there is nothing to
        measure from; going on as fast as before brings the second.
        """
        self.resuming = False
        first, self._resume_s = self._resume_s is None, sent_s
        raised, self._steps = self._steps > 0, 0
        self._last_look_s = sent_s
        unused_s = max(0.0, sent_s - self._last_throttle_s)
        self._unused_s += min(unused_s, NAMED_IN_S) if self._named else unused_s
        before_s, before = self._anchor_s, self._at_anchor
        count = 0 if before_s is None else admitted - before
        span_s = 0.0 if before_s is None else sent_s - before_s
        good = count >= ENOUGH or (count >= FEW and span_s >= FEW_S)
        if self.rate is not None and raised:
            self._refuted(self.rate, USE * count / span_s if good else 0.0)
        elif span_s > 0 and count > 0:
            if self.rate is None:
                self._guess(count, span_s, throughput if first else None, good=good)
            elif not first and good:
                self._measure(self.rate, count, span_s)
            elif not first and self._soon:
                self._lower(self.rate, count, span_s)
        if before_s is None or first or good or raised:
            self._anchor_s, self._at_anchor, self._unused_s = sent_s, admitted, 0.0
        self._soon = False
        if self.rate is not None:  # the request that was answered has used what there was
            self._owed_s = max(now_s, sent_s + 1.0 / self.rate) + self._burst(self.rate)

    def _guess(self, count: int, span_s: float, before: float | None, *, good: bool) -> None:
        """A first rate. `before`: answers per second before the first throttle of all."""
        self.rate = max(USE * count / span_s, before or 0.0)
        self._measured = self.rate
        self._samples = float(count)
        self._confident = good and before is None

    def _refuted(self, rate: float, let_through: float) -> None:
        """A step upward was refused; `rate` held before. 0.0 `let_through`: not measured."""
        if not self._confident:
            self._confident, self._measured = True, rate
        self._measured = max(self._measured, min(rate, let_through))
        self._confirm(rate, same=rate < 1.05 * self._measured)

    def _lower(self, rate: float, count: int, span_s: float) -> None:
        """Throttled soon after a resume: `rate` is too high, and the sample still small."""
        self._refused = rate
        least = USE * (count - 1) / span_s
        if least < rate:
            self.rate = max(sqrt(rate * least), MOST_LOWER * rate)
        else:
            self.rate = 0.93 * rate

    def _measure(self, rate: float, count: int, span_s: float) -> None:
        """From the anchor to this resume: a good sample."""
        measured = USE * count / span_s
        most = count / max(span_s - self._unused_s, 0.25 * span_s)
        same = self._confident and abs(measured / self._measured - 1.0) < 0.05
        if same:
            share = count / (count + self._samples)
            measured = self._measured + share * (measured - self._measured)
            self._samples = min(1000.0, self._samples + count)
        else:
            if self._confident:
                measured = max(measured, 0.8 * min(rate, self._measured))
            self._samples = float(count)
            self._refused = most
        if self._confident:
            self._confirm(rate, same=same)
        self.rate = self._measured = measured
        self._confident = True

    def _confirm(self, rate: float, *, same: bool) -> None:
        """A throttle told nothing new: looks get rarer. Otherwise they begin again."""
        rarest_s = min(LONGEST_LOOK_S, max(LONG_LOOK_S, LOOK_AFTER / rate))
        self._look_after_s = min(rarest_s, 2.0 * self._look_after_s) if same else FIRST_LOOK_S
        if same:
            self._refused = None

    def _burst(self, rate: float) -> float:
        """Seconds of delay that may be made up for."""
        return min(self._burst_s, max(0.25 / rate, BURST_S))

    def reset_named(self, reset_s: float, waited_s: float) -> None:
        """A throttle named a reset. Two of them a usual window apart tell a fixed window."""
        if waited_s < 3.0:
            return
        before_s, self._reset_s = self._reset_s, reset_s
        if before_s is None or self.rate is None:
            return
        apart_s = reset_s - before_s
        for window_s in USUAL_WINDOWS_S:
            if abs(apart_s - window_s) <= max(0.02 * window_s, 1.2):
                self._window = (self.rate / USE * window_s, window_s)
                return

    def left(self, now_s: float) -> float:
        """What is surely left of the running window, 0.0 when no window is known."""
        if self._window is None or self._anchor_s is None:
            return 0.0
        limit, window_s = self._window
        if now_s > self._anchor_s + window_s - 1.0:
            return 0.0
        return 0.97 * limit - (self.admitted - self._at_anchor)

    def due(self, now_s: float, pending: int) -> float:
        """When the next request may go by the learned rate: `now_s` or later.

        Nothing is held back when all that is pending fits into the running window.
        """
        rate = self.rate
        if rate is None or self.resuming:
            return now_s
        if self._window is not None and self.left(now_s) >= pending:
            return now_s
        return max(now_s, self._owed_s - self._burst(rate))

    def take(self, now_s: float, weight: int) -> None:
        """`weight` is sent."""
        self.admitted += weight
        since_s = now_s - self._last_take_s
        if since_s > IDLE_S:
            self._working_since_s = now_s
        self._last_take_s = now_s
        rate = self.rate
        if rate is not None:
            apart_s = weight / rate
            if since_s < CROWDED * apart_s:
                self._crowded_s = now_s
            self._owed_s = max(self._owed_s, now_s) + apart_s

    def look(self, now_s: float, throughput: float) -> None:
        """Raise the rate a little when it has held for a while and is in use."""
        rate = self.rate
        if rate is None or self.resuming:
            return
        quiet_s = now_s - self._last_throttle_s
        working_s = now_s - self._working_since_s
        if throughput < 0.25 * rate and min(quiet_s, working_s) > FORGET_S:
            self.rate = None
            self._confident = False
            self._samples = 0.0
            return
        if now_s - self._last_look_s >= SHORTEST_STEP_S and throughput >= 0.7 * rate:
            self._look(rate, now_s, quiet_s)

    def _look(self, rate: float, now_s: float, quiet_s: float) -> None:
        """A step upward, when it is time for one."""
        refused = self._refused
        guessed = refused is None and not self._confident and 0.0 < self._samples < GUESS
        if guessed:
            after_s = step_s = max(SHORTEST_STEP_S, GUESS / rate)
        else:
            after_s = self._look_after_s
            step_s = min(max(STEP_S[0], STEP_AFTER / rate), max(STEP_S[1], STEP_FEWEST / rate))
        if refused is not None and refused >= NARROW * rate:
            after_s = step_s  # the bracket is open
            higher = min(sqrt(rate * refused), (1.0 + FAST_STEP) * rate)
        elif guessed:
            higher = (1.0 + GUESS_STEP) * rate
        else:
            most = MOST_STEP if rate < PLAINLY_ABOVE * self._measured else FAST_STEP
            higher = rate * (1.0 + min(most, 0.005 * 2.0 ** min(self._steps + 1, 30)))
        if quiet_s < after_s or now_s - self._last_look_s < step_s:
            return
        self._last_look_s = now_s
        self._steps += 1
        self._held, self.rate = rate, higher
        if refused is not None and higher > refused:
            self._refused = None

    def restore(self, state: LearnerState, *, shift_s: float, now_s: float) -> None:
        """Take over a learned rate; it is used from the first request on."""
        if state.rate is not None and 0 < state.rate < 1e6:
            self.rate = state.rate
            self._confident = state.confident
            self._measured = state.rate
            self._samples = 100.0
            self._last_throttle_s = min(state.last_throttle_s + shift_s, now_s)
            self._last_look_s = now_s
            self._owed_s = now_s

    def snapshot(self) -> LearnerState:
        """What a warm start begins with."""
        return LearnerState(self.rate, self._confident, self._last_throttle_s)


@dataclass(frozen=True, slots=True)
class LearnerState:
    """A learned rate as stored: requests per second, None when there is none."""

    rate: float | None = None
    confident: bool = False
    last_throttle_s: float = 0.0
