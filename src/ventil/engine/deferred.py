"""Orders that are answered hours later: task tokens, and records that wait without a slot.

A token is 256 bits of chance. It is made anew at each look at a record, and becomes valid,
by its digest in the waiting room, just before the first request goes out that may carry it:
so it is stored nowhere, and a kill between the order and the note of its reply leaves the
token of that order valid beside the next one. The first answer to any of them counts.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ventil.core.exchange import Await, Called, Issued, Reply, Request, TimeUp
from ventil.core.masks import addresses_after, without_addresses
from ventil.core.model import Kept, Sample
from ventil.core.moment import clock_words
from ventil.crashpoint import crashpoint
from ventil.engine.journal import Journal
from ventil.ports import Clock, Crowd, Wait, WaitingRoom

MOST_WOKEN = 500
"""Records that are looked at again in one chunk."""


def digest_of(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


class Deferrals:
    """What of one run is answered later. `callbacks` is the address that tokens are put after.

    `waits_here`: this process alone works on the run, so it waits for later answers itself;
    among many workers the run rests meanwhile, and whoever sees the answer takes it up.
    """

    def __init__(
        self, room: WaitingRoom, run_id: str, clock: Clock, *, callbacks: str, waits_here: bool
    ) -> None:
        self.room = room
        self.run_id = run_id
        self.clock = clock
        self.callbacks = callbacks
        self.waits_here = waits_here
        self.masked = addresses_after(callbacks)
        self.parked: set[str] = set()

    def look(self, key: str, journal: Journal) -> Look:
        """A look at a record, from the beginning of its recipe."""
        return Look(self, key, journal)

    def elsewhere(self, index: int, keys: list[str]) -> set[str]:
        """Those of a chunk's *keys* that are not to be looked at in it."""
        return self.room.elsewhere(self.run_id, index, keys)

    def settle(self, index: int, keys: list[str]) -> None:
        """All of a chunk's *keys* that do not wait are over."""
        crashpoint("waiting.before")
        self.room.settle(self.run_id, index, keys)
        crashpoint("waiting.after")

    def wake(self, now_s: float) -> int | None:
        """The index of a new chunk of records that are to be looked at; None for none."""
        return self.room.wake(self.run_id, now_s, most=MOST_WOKEN)

    def crowd(self) -> Crowd:
        """Who waits."""
        return self.room.crowd(self.run_id)


class Look:
    """One look at one record."""

    def __init__(self, deferrals: Deferrals, key: str, journal: Journal) -> None:
        self._all = deferrals
        self._key = key
        self._journal = journal
        journal.hide_addresses(deferrals.masked)
        self._next: int | None = None
        self._unseen: list[tuple[int, str]] = []

    def issue(self) -> Issued:
        """A new token; it is worth nothing before `goes_out`."""
        room, run_id = self._all.room, self._all.run_id
        if self._next is None:
            self._next = room.next_order(run_id, self._key)
        number, self._next = self._next, self._next + 1
        token = secrets.token_urlsafe(32)
        self._journal.hide(token)
        self._unseen.append((number, token))
        name = f"{run_id}\0{self._key}\0{number}"
        reference = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return Issued(f"{self._all.callbacks}/{token}", reference, number)

    def hidden(self, text: str) -> str:
        """*text* without the tokens in it."""
        return without_addresses(self._journal.hidden(text))

    def cleaned(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """*samples* without the tokens in what they say and what is kept of them."""
        return [
            replace(
                sample, detail=self.hidden(sample.detail), kept=self._kept_clean(sample.kept)
            )
            for sample in samples
        ]

    def _kept_clean(self, kept: Kept | None) -> Kept | None:
        def clean(body: bytes | None) -> bytes | None:
            return None if body is None else self._journal.hidden_in(body)

        if kept is None:
            return None
        return replace(kept, body=clean(kept.body), memory=clean(kept.memory))

    def broken(self, error: Exception) -> Exception:
        """A recipe's *error*; another one in its place when there are tokens in its words."""
        words = str(error)
        hidden = self.hidden(words)
        return error if words == hidden else RuntimeError(f"{type(error).__name__}: {hidden}")

    def went_out(self) -> None:
        """The next request was answered before: it carried another token than these."""
        self._unseen.clear()

    def goes_out(self) -> None:
        """A request is about to go out: from now on the tokens may be used."""
        for number, token in self._unseen:
            self._all.room.issue(self._all.run_id, self._key, number, digest_of(token))
        self._unseen.clear()

    async def collect(
        self, step: Await, ask: Callable[[Request], Awaitable[Reply]]
    ) -> Called | Reply | TimeUp | None:
        """What has come of an order; None when the record waits. *ask* sends a poll.

        Raises what sending raises, and StateError.
        """
        everything, key, number = self._all, self._key, step.token.number
        room, run_id = everything.room, everything.run_id
        self.goes_out()
        wait = room.wait(run_id, key)
        if wait is not None and wait.number != number:
            wait = None  # for an earlier order
        now_s = everything.clock.now_s()
        until_s = now_s + step.within_s if wait is None else wait.until_s
        polls = step.poll is not None and wait is not None and wait.look_s <= now_s
        while True:
            called = room.answer(run_id, key, number)
            if called is not None:
                return called
            if wait is not None and wait.cancelled:
                return TimeUp("the wait was cancelled")
            if polls and step.poll is not None:
                polls = False
                reply = await ask(step.poll)
                if step.come(reply):
                    return reply
                now_s = everything.clock.now_s()
            if now_s >= until_s:
                return TimeUp(f"no answer had come by {clock_words(until_s, now_s)}")
            look_s = until_s if step.poll is None else min(until_s, now_s + step.every_s)
            wait = Wait(key, number, until_s, look_s, False)
            crashpoint("park.before")
            if room.park(run_id, wait):
                crashpoint("park.after")
                everything.parked.add(key)
                return None
            wait = room.wait(run_id, key)
