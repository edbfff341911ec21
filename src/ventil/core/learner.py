"""The quota learner: how many requests per second a provider lets through, when it won't say.

*Resume to resume.* A throttle closes the gate; after it, the first request that is
answered is a *resume*. At each resume the provider's meter has just been refilled, so what
was let through between two resumes, divided by the time between them, is the rate of the
meter, and equally so for a token bucket, a fixed window and a sliding log. (From drain to
drain it is not: a fixed window would look up to twice as fast.) The rate is used at 99 %,
spaced out, so that the next throttle need never come.

*Looking up.* A quota may have been larger than it seemed, or have grown. When the learned rate
has held for a while and is in use, it is raised gently until a throttle says stop; once it
is plainly above what was measured, the quota must have grown (another client may have ended),
and it is raised faster. Every throttle that only confirms the old rate doubles the time until
the next look, up to 30 s or 750 requests, whichever is longer, and two minutes at most: what a
look costs is a few rejections, whatever the rate.
"""

from __future__ import annotations

from dataclasses import dataclass

USE = 0.99
FIRST_LOOK_S = 15.0
STEP_S = (4.0, 6.0)
STEP_AFTER = 50.0
"""A step is tried for as long as so many requests take, within `STEP_S`."""
MOST_STEP = 0.08
PLAINLY_ABOVE = 1.2
"""Times the measured rate; from there on a step is up to `FAST_STEP`."""
FAST_STEP = 0.25
BURST_S = 0.2
"""Who comes late may catch up with this much, or a quarter of the time between two."""
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
        "_confident",
        "_last_look_s",
        "_last_take_s",
        "_last_throttle_s",
        "_look_after_s",
        "_measured",
        "_owed_s",
        "_rate_at_anchor",
        "_reset_s",
        "_resume_s",
        "_samples",
        "_started",
        "_steps",
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
        self._rate_at_anchor = 0.0
        self._measured = 0.0  # the latest good measurement
        self._samples = 0.0  # weight that the present rate rests on
        self._steps = 0  # looks upward since the last throttle
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

    def throttled(self, now_s: float) -> None:
        """A new burst of throttles began."""
        rate, resume_s = self.rate, self._resume_s
        if rate is not None and resume_s is not None and self._confident:
            soon = now_s - resume_s < max(2.0, 3.0 / rate)
            if soon and not self.resuming and self._measured * 0.5 < rate <= self._measured:
                self.rate = 0.93 * rate
        self.resuming = True
        self._last_throttle_s = now_s

    def resumed(self, now_s: float, sent_s: float, admitted: int, throughput: float) -> None:
        """The first request after a throttle, sent at `sent_s`, is answered now.

        `admitted`: weight let through before it; `throughput`: answers per second before
        the throttle. Measured is from the anchor, an earlier resume, far enough back for a
        good sample. When the rate was raised since then, the sample would only tell our
        own pace: then measure anew at the raised rate. After the first throttle of all
        there is nothing to measure from; going on as fast as before brings the second.
        """
        self.resuming = False
        first, self._resume_s = self._resume_s is None, sent_s
        self._last_look_s = sent_s
        self._steps = 0
        self._measure(sent_s, admitted, throughput, first=first)
        # The request that was answered has used what there was. And no burst while the
        # rate is only a guess.
        self._owed_s = now_s if self._confident else now_s + BURST_S
        if self.rate is not None:
            self._owed_s = max(self._owed_s, sent_s + 1.0 / self.rate)

    def _measure(self, sent_s: float, admitted: int, throughput: float, *, first: bool) -> None:
        """From the anchor to this resume, when that is a sample of the quota."""
        before_s, at = self._anchor_s, self._at_anchor
        span_s, count = (0.0, 0) if before_s is None else (sent_s - before_s, admitted - at)
        good = count >= 100 or (count >= 20 and span_s >= 5.0)
        rate = self.rate
        raised = rate is not None and not first and rate > 1.03 * self._rate_at_anchor
        if before_s is None or first or good or raised:
            self._anchor_s, self._at_anchor = sent_s, admitted
        if raised or span_s <= 0 or count <= 0:
            self._rate_at_anchor = rate or 0.0
            if raised and not self._confident:
                self._confident, self._measured = True, rate or 0.0
            return
        measured = USE * count / span_s
        if rate is None:
            self.rate = max(measured, throughput) if first else measured
            self._measured = self._rate_at_anchor = self.rate
            self._confident = good and not first
            return
        if not good or first:
            return
        if self._confident:
            same = abs(measured / self._measured - 1.0) < 0.05
            rarest_s = min(LONGEST_LOOK_S, max(LONG_LOOK_S, LOOK_AFTER / rate))
            self._look_after_s = (
                min(rarest_s, 2.0 * self._look_after_s) if same else FIRST_LOOK_S
            )
            if same:
                share = count / (count + self._samples)
                measured = self._measured + share * (measured - self._measured)
                self._samples = min(1000.0, self._samples + count)
            else:
                measured = max(measured, 0.8 * min(rate, self._measured))
                self._samples = float(count)
        else:
            self._samples = float(count)
        self.rate = self._measured = self._rate_at_anchor = measured
        self._confident = True

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
        return max(now_s, self._owed_s - max(0.25 / rate, BURST_S))

    def take(self, now_s: float, weight: int) -> None:
        """`weight` is sent."""
        self.admitted += weight
        if now_s - self._last_take_s > IDLE_S:
            self._working_since_s = now_s
        self._last_take_s = now_s
        rate = self.rate
        if rate is not None:
            late_s = max(0.25 / rate, BURST_S)
            self._owed_s = max(self._owed_s, now_s - late_s) + weight / rate

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
        step_s = min(max(STEP_S[0], STEP_AFTER / rate), STEP_S[1])
        if quiet_s < self._look_after_s or now_s - self._last_look_s < step_s:
            return
        if throughput < 0.7 * rate:
            return
        self._last_look_s = now_s
        self._steps += 1
        most = MOST_STEP if rate < PLAINLY_ABOVE * self._measured else FAST_STEP
        self.rate = rate * (1.0 + min(most, 0.005 * 2.0 ** min(self._steps, 30)))

    def restore(self, state: LearnerState, *, shift_s: float, now_s: float) -> None:
        """Take over a learned rate; it is used from the first request on."""
        if state.rate is not None and 0 < state.rate < 1e6:
            self.rate = state.rate
            self._confident = state.confident
            self._measured = self._rate_at_anchor = state.rate
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
