"""Many searches side by side, whose questions to GitHub share requests.

A search alone asks one thing after another. Together, all of them are brought as far as
they get without GitHub; what they then want to ask of it goes out in one GraphQL request
for fifty repositories. What several of them want, the listing of a repository that they
share, is asked once. Nothing is sent here: `take` hands out what may be sent now, at once
if the providers' gates let it, and `answer` takes the replies in any order.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ventil.changelog.finder import graphql
from ventil.changelog.finder.model import Ask, Finding, Manners, Package, Remembered
from ventil.changelog.finder.search import find
from ventil.changelog.finder.trail import Asking
from ventil.core.exchange import Reply, Response


@dataclass(frozen=True, slots=True)
class Ended:
    """That a search has ended; `number` is the package's position."""

    number: int
    finding: Finding


def find_together(
    packages: Iterable[tuple[Package, Remembered | None]], manners: Manners | None = None
) -> Generator[Ask | Ended, Reply | None, None]:
    """Search for many packages, one request after another: for who can send only so.

    Yields an `Ask`, and is sent its reply; yields an `Ended` as soon as a search has, and
    is sent None. Everything ends: there is one `Ended` for each package.
    """
    together = Together(packages, manners)
    try:
        while True:
            for number, finding in together.pop_findings():
                yield Ended(number, finding)
            if together.done:
                return
            for ask in together.take(1):
                reply = yield ask
                if reply is None:
                    raise TypeError("an ask is answered by a reply, not by None")
                together.answer(ask, reply)
    finally:
        together.close()


@dataclass(eq=False, slots=True)
class _One:
    number: int
    search: Asking[Finding]
    ask: Ask | None = None


class Together:
    """The searches of a chunk.

    *packages* with what is remembered of each. `findings` grows as searches end, each as
    (position in *packages*, finding); `pop_findings` takes them out, to be stored at once.
    """

    def __init__(
        self,
        packages: Iterable[tuple[Package, Remembered | None]],
        manners: Manners | None = None,
    ) -> None:
        self.findings: list[tuple[int, Finding]] = []
        self._plain: list[_One] = []
        self._batchable: list[_One] = []
        self._out: dict[int, tuple[Ask, Sequence[_One]]] = {}
        self._halves: list[Sequence[_One]] = []
        self._waiting = 0  # searches whose ask is out
        # What was answered, or who waits for it to be answered to another.
        self._shared: dict[_Key, Reply | list[_One]] = {}
        self._kept_bytes = 0
        for number, (package, remembered) in enumerate(packages):
            one = _One(number, find(package, remembered, manners))
            self._step(one, None)

    @property
    def done(self) -> bool:
        """Whether every search has ended."""
        return not (self._plain or self._batchable or self._out or self._halves)

    def take(self, most: int | None = None) -> list[Ask]:
        """Asks that may be sent now, at most *most*; each is handed out once.

        Empty while all that is left waits for replies that are out. What may be combined
        is held back until there is enough of it, or nothing else to wait for.
        """
        room = len(self._plain) + len(self._batchable) + 1 if most is None else most
        taken: list[Ask] = []
        while self._plain and len(taken) < room:
            taken.append(self._send([self._plain.pop(0)]))
        while self._halves and len(taken) < room:
            taken.append(self._send(self._halves.pop(0)))
        if len(taken) >= room:
            return taken
        for heavy, full in ((False, graphql.MOST_LOOKS), (True, graphql.MOST_TEXTS)):
            while len(taken) < room:
                same = [one for one in self._batchable if _is_heavy(one) is heavy]
                if not same or (len(same) < full and self._may_grow()):
                    break
                batch = same[:full]
                self._batchable = [one for one in self._batchable if one not in batch]
                taken.append(self._send(batch))
        return taken

    def answer(self, ask: Ask, reply: Reply) -> None:
        """Hand in the reply to an ask that was taken. Raises KeyError for any other."""
        _, ones = self._out.pop(id(ask))
        self._waiting -= len(ones)
        parts = graphql.split([one.ask for one in ones if one.ask is not None], reply)
        if parts is None or not any(parts):
            middle = (len(ones) + 1) // 2
            self._halves += [ones[:middle], ones[middle:]]
            return
        left_out = [one for one, part in zip(ones, parts, strict=True) if part is None]
        if left_out:
            self._halves.append(left_out)  # fewer than before, so that this ends
        for one, part in zip(ones, parts, strict=True):
            if part is None:
                continue
            key = _key(one.ask)
            sharers = None if key is None else self._shared.pop(key, None)
            if key is not None and self._is_worth_keeping(part):
                self._shared[key] = part
            self._step(one, part)
            for sharer in sharers if isinstance(sharers, list) else ():
                self._step(sharer, part)

    def pop_findings(self) -> list[tuple[int, Finding]]:
        """The searches that have ended since this was last asked."""
        ended, self.findings = self.findings, []
        return ended

    def close(self) -> None:
        """Give up what has not ended."""
        for one in self._ones():
            one.search.close()
        self._plain, self._batchable, self._out, self._halves = [], [], {}, []

    def _ones(self) -> Iterator[_One]:
        yield from self._plain
        yield from self._batchable
        for _, ones in self._out.values():
            yield from ones
        for half in self._halves:
            yield from half
        for sharers in self._shared.values():
            yield from sharers if isinstance(sharers, list) else ()

    def _may_grow(self) -> bool:
        """Whether replies are to come that may bring more to combine."""
        return self._waiting > 0

    def _send(self, ones: Sequence[_One]) -> Ask:
        asks = [one.ask for one in ones if one.ask is not None]
        ask = graphql.combine(asks)
        self._out[id(ask)] = (ask, ones)  # the ask is kept, so that its id stays its own
        self._waiting += len(ones)
        return ask

    def _is_worth_keeping(self, reply: Reply) -> bool:
        """Whether it would be the same a minute later, and is small enough to be held."""
        if not isinstance(reply, Response) or len(reply.body) > _KEPT_BYTES:
            return False
        if reply.status >= 400 and reply.status not in (404, 409, 410, 451):
            return False
        self._kept_bytes += len(reply.body)
        return self._kept_bytes <= _ALL_KEPT_BYTES

    def _step(self, one: _One, reply: Reply | None) -> None:
        """Hand a reply to a search, and queue what it asks next, unless that is known."""
        while True:
            try:
                one.ask = next(one.search) if reply is None else one.search.send(reply)
            except StopIteration as end:
                self.findings.append((one.number, end.value))
                return
            key = _key(one.ask)
            if key is not None and (known := self._shared.get(key)) is not None:
                if isinstance(known, list):
                    known.append(one)
                    return
                reply = known
                continue
            if key is not None:
                self._shared[key] = []
            (self._plain if one.ask.query is None else self._batchable).append(one)
            return


_Key = tuple[str, str, str]
_KEPT_BYTES = 8 * 1024 * 1024
_ALL_KEPT_BYTES = 64 * 1024 * 1024


def _key(ask: Ask | None) -> _Key | None:
    """What an ask has in common with the same one of another search; None: nothing."""
    if ask is None or ask.unpack is not None or ask.origin is not None:
        return None
    if ask.query is not None:
        return ("graphql", f"{ask.query.owner}/{ask.query.name}", ask.query.selection)
    if ask.provider not in ("github", "gitlab", "codeberg"):
        return None
    headers = ask.request.headers
    if "If-None-Match" in headers or "If-Modified-Since" in headers:
        return None
    return (ask.provider, ask.request.target, headers.get("Accept", ""))


def _is_heavy(one: _One) -> bool:
    return one.ask is not None and one.ask.query is not None and graphql.is_heavy(one.ask.query)
