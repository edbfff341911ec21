"""What a ban teaches, where a ban is what comes of asking too fast.

Some providers answer the first request too many with a throttle that names no time and
lasts for a quarter of an hour or more. Looking for the limit from above, as the quota
learner does, would cost one such pause for every look; and measuring from resume to resume
would count the pause as time in which the quota was used. So here one ban must be enough.

*The lesson.* Providers of this kind count arrivals in a window, most often a minute. Let
through in the window before the ban, so much is the limit; it is spaced out evenly and kept
as a quota of its own, with a little air. Should the window be shorter in truth, that is
slower than need be, but safe. It is not looked above again for `KEEP_S`. A pause of less
than five minutes is taken for one of a shorter window (`window_for`): a second, ten seconds.

*What came late.* A pause of the machine or a bad way holds requests up and lets them arrive
together, and a window that begins there holds them and a whole window's more. So a request
whose answer took longer than the quickest one did is counted as sent so much later.

*When that cannot be.* More was let through in an earlier window, or a lesson was already
being kept: then the limit fell, or its window is longer. Half of what was let through, or
half of that lesson, is the new one. Where the pause is short enough for it, the quota
learner takes over instead.

*When it says nothing.* Nothing was let through before the ban: then it was somebody else's
doing, or an earlier run's, and teaches nothing.

*When it says too little.* A handful let through, and then a ban, looks like a short window
or a small bucket. Then the lesson is raised by one, later by a tenth, for every window in
which it held, until the next ban tells more; nine tenths of what that lets through is kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from ventil.core.quota import Quota, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOWS_S = ((300.0, 60.0), (150.0, 10.0), (15.0, 1.0))
"""(cooldown from which on, the window a provider is taken to count in)."""
LONG_S = WINDOWS_S[0][0]
"""Below this cooldown, the quota learner may look for what one lesson did not tell."""
WINDOWS_IN_A_BAN = 15.0
"""A stated quota's window is believed in when a ban lasts so many of it, or more."""
LONGEST_WINDOW_S = 3600.0
KEEP_S = 28 * 86_400.0
"""How long a lesson holds."""
FEWEST = 15
"""Below so many in a window the lesson is doubtful: the window may be a shorter one."""
AFTER_DOUBT = 0.9
PACE = 0.98
"""Part of the lesson's rate that is used, so that jitter on the way breaks nothing: for a
minute it may be 1.2 s. At half of that, one in fifteen long runs was banned again."""
LATE = 0.002
"""Part of the window by which an answer has to be late to matter."""
_SLICES = 256


def window_for(cooldown_s: float | None, quotas: Iterable[Quota] = ()) -> float | None:
    """The window in seconds that a ban of `cooldown_s` is about; None where none is so dear.

    A longer one of the stated `quotas` goes before, up to a fifteenth of the ban.
    """
    if cooldown_s is None:
        return None
    for from_s, window_s in WINDOWS_S:
        if cooldown_s >= from_s:
            most_s = min(LONGEST_WINDOW_S, cooldown_s / WINDOWS_IN_A_BAN)
            return max([window_s, *(q.span_s for q in quotas if q.span_s <= most_s)])
    return None


class Caution:
    """Mutable; told by the governor of what was let through, and of bans.

    `limit` is what may be sent in any `window_s` seconds, None while nothing was learned.
    `gave_up`: lessons do not hold here, see the module; from then on it does nothing.
    """

    __slots__ = (
        "_before",
        "_done",
        "_done_weight",
        "_doubtful",
        "_grown_s",
        "_long",
        "_most",
        "_owed_s",
        "_quickest_s",
        "_refuted",
        "_settles",
        "_window",
        "banned_s",
        "gave_up",
        "limit",
        "window_s",
    )

    def __init__(self, window_s: float, cooldown_s: float) -> None:
        self.window_s = window_s
        self.gave_up = False
        self._long = cooldown_s >= LONG_S
        self.limit: float | None = None
        self.banned_s = 0.0  # when the request was sent that brought the latest ban
        self._window: Window | None = None
        self._done: deque[tuple[float, int]] = deque()  # (sent, weight), let through
        self._done_weight = 0
        self._most = 0  # the most ever let through in one window
        self._before: float | None = None  # the lesson that the running ban refutes
        self._refuted = False
        self._settles = False  # the running ban ends a doubt
        self._doubtful = False
        self._owed_s = 0.0
        self._quickest_s = inf  # shortest answer time
        self._grown_s = 0.0

    def due(self, now_s: float, weight: int) -> float:
        """When the next request may go by the lesson: `now_s` or later."""
        limit, window = self.limit, self._window
        if limit is None or window is None:
            return now_s
        if now_s > self.banned_s + KEEP_S:
            self.limit = self._window = None
            return now_s
        weight = min(weight, window.allowance)
        return max(window.free_from(now_s, weight), self._owed_s)

    def _late_s(self, limit: float) -> float:
        """How much of a delay is made up for: the window's law holds all the same."""
        return self.window_s * max(0.1 / limit, 0.01)

    def sent(self, now_s: float, weight: int) -> None:
        """`weight` is sent."""
        limit, window = self.limit, self._window
        if limit is None or window is None:
            return
        window.take(now_s, weight)
        apart_s = self.window_s / (PACE * limit)
        self._owed_s = max(self._owed_s, now_s - self._late_s(limit)) + weight * apart_s

    def live(self, now_s: float, sent_s: float, weight: int, banned: bool) -> None:
        """A request was let through. `banned`: it was sent before the ban that runs."""
        if self.gave_up:
            return
        time_s = now_s - sent_s
        if time_s < self._quickest_s:
            self._quickest_s = time_s
        elif self._window is not None:
            late_s = time_s - self._quickest_s
            if late_s > LATE * self.window_s:
                self._window.postpone(sent_s, sent_s + late_s, weight)
        done, slice_s = self._done, self.window_s / _SLICES
        if done and 0.0 <= sent_s - done[-1][0] < slice_s:
            done[-1] = (done[-1][0], done[-1][1] + weight)
        else:
            done.append((sent_s, weight))
        self._done_weight += weight
        if banned:
            self._learn()
            return
        old_s = sent_s - 0.99 * self.window_s
        while done[0][0] < old_s:
            self._done_weight -= done.popleft()[1]
        if self._done_weight > self._most:
            self._most = self._done_weight
        if self._doubtful and now_s - self._grown_s > 1.1 * self.window_s:
            self._grow(now_s)

    def banned(self, sent_s: float) -> None:
        """The request sent at `sent_s` was answered with a ban."""
        limit = self.limit
        self._before = limit
        self._settles = limit is not None and self._doubtful
        self._refuted = limit is not None and not self._doubtful
        self.banned_s = sent_s
        if self._refuted and not self._long:
            self.gave_up = True
            self.limit = self._window = None
        else:
            self._learn()

    def resumed(self, now_s: float) -> None:
        """The ban is over: start counting anew, with the request that showed it."""
        if not self._done:
            return
        last = self._done[-1]
        self._done.clear()
        self._done.append(last)
        self._done_weight = last[1]
        self._grown_s = now_s

    def _learn(self) -> None:
        """The lesson from what was let through before the ban."""
        from_s = self.banned_s - 0.99 * self.window_s
        through = sum(w for sent_s, w in self._done if sent_s > from_s)
        if through < 1:
            return  # banned before anything was sent: that was not our pace
        before = self._before
        self._doubtful = through < FEWEST and not (self._settles or self._refuted)
        limit = float(through)
        if self._settles:
            limit *= AFTER_DOUBT
        elif self._refuted and before is not None:
            limit = before / 2
        elif self._most >= through + 2:
            limit /= 2
        if before is not None:
            limit = min(limit, before)
        self._set(limit)

    def _grow(self, now_s: float) -> None:
        limit = self.limit
        if limit is None or self._done_weight < 0.8 * limit:
            return
        self._grown_s = now_s
        self._set(max(limit + 1.0, 1.1 * limit))
        for sent_s, weight in self._done:
            if self._window is not None:
                self._window.take(sent_s, weight)

    def _set(self, limit: float) -> None:
        self.limit = limit
        # Whatever is made up for, no window is fuller than the pace makes it.
        quota = Quota(limit, self.window_s)
        air_s = self.window_s / PACE - quota.guard_s
        self._window = Window(Quota(limit, air_s))

    def snapshot(self) -> CautionState | None:
        """What a restart has to keep; None when nothing was learned."""
        if self.limit is None:
            return None
        return CautionState(
            self.limit, self.window_s, self.banned_s, self._most, self._doubtful
        )

    def restore(self, state: CautionState, *, shift_s: float, now_s: float) -> None:
        """Keep a former process's lesson; times are moved by `shift_s`.

        The first request goes as if the former process had sent one just now, and the first
        window holds a tenth less: a new process opens connections, and what it sends first
        arrives late and crowded.
        """
        if not (0 < state.limit < 1e9 and 0 < state.window_s <= LONGEST_WINDOW_S):
            return
        self.window_s = state.window_s
        self.banned_s = min(state.banned_s + shift_s, now_s)
        self._most = state.most
        self._doubtful = state.doubtful
        self._set(state.limit)
        if self._window is not None and self._window.allowance >= FEWEST:
            self._window.take(now_s, self._window.allowance // 10)
        self._grown_s = now_s
        self._owed_s = now_s + self.window_s / (PACE * state.limit)


@dataclass(frozen=True, slots=True)
class CautionState:
    """A lesson as stored: `limit` per `window_s`, learned from a ban at `banned_s`.

    `most`: the most ever let through in one window. `doubtful`: it is still being raised.
    """

    limit: float
    window_s: float
    banned_s: float
    most: int = 0
    doubtful: bool = False
