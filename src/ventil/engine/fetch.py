"""Drives a recipe: every request through a gate, every answer into the ledger.

A recipe takes steps (`core.exchange.Steps`) and is sent what came of each: a request goes
through the door of the provider that it names, known samples are stored at once, what was
kept is looked up, and work on fetched bytes is done in the workbench. A record whose answer
comes later is left waiting, see `deferred`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ventil.core.exchange import (
    Await,
    Called,
    Done,
    Issued,
    Known,
    Recall,
    Reply,
    Request,
    TimeUp,
    Token,
    Work,
    WorkFailed,
)
from ventil.core.model import Good, Sample
from ventil.core.period import Period
from ventil.engine.deferred import Deferrals, Look
from ventil.engine.door import Door, Held
from ventil.engine.journal import Journal
from ventil.engine.ledger import LedgerWriter
from ventil.errors import VentilError, WorkbenchError
from ventil.ports import Clock, Recipe, Workbench

_DAY_S = 86_400
_EPOCH = dt.date(1970, 1, 1)

Found = tuple[Sample, str]
"""A sample and the last request that was made for it, as "METHOD TARGET"."""


class Fetcher:
    """Fetches batches of records for one run.

    `doors` holds the job's providers by name; a request that names none passes the first.
    `workbench` is None for recipes that have no work done. `journaled`: the answers to a
    record's requests are noted until it is settled; for recipes of one record a batch.
    `deferrals`: for recipes that await later answers, which are journaled; else None.
    """

    def __init__(
        self,
        *,
        recipe: Recipe,
        doors: Mapping[str, Door],
        ledger: LedgerWriter,
        clock: Clock,
        period: Period,
        workbench: Workbench | None = None,
        journaled: bool = False,
        deferrals: Deferrals | None = None,
    ) -> None:
        self._recipe = recipe
        self._first = next(iter(doors.values()))
        self._doors = {"": self._first, **doors}
        self._alone = len(doors) == 1
        self._ledger = ledger
        self._clock = clock
        self._period = self._asked = period
        self._asked_on = -1
        self._workbench = workbench
        self._journaled = journaled or deferrals is not None
        self.deferrals = deferrals

    async def batch(
        self,
        keys: Sequence[str],
        good: Mapping[str, Good],
        *,
        chunk: int = 0,
        stuck: Callable[[], None] = lambda: None,
    ) -> list[Found]:
        """Fetch the records of one batch of *chunk*; they are stored when `stored` says so.

        `stuck` is called each time that the batch waits for the provider to come back. A
        record that waits for a later answer has no sample in what is returned.

        Raises StateError when it could not be stored, Suspended when a provider says later
        than anybody wants to wait, CancelledError when the run stops.
        """
        recipe = self._recipe.fetch(keys, self._asked_now(), good)
        found: list[Found] = []
        target = ""
        door = self._first
        held: Held | None = None
        journal = Journal(self._ledger.steps(keys[0])) if self._journaled else None
        look = self._look(keys[0], journal)
        try:
            step = next(recipe)
            while True:
                if journal is not None and isinstance(step, Request | Work | Await):
                    before = journal.recalled(step)
                    if before is not None:
                        if look is not None:
                            look.went_out()
                        step = recipe.send(before)
                        continue
                if isinstance(step, Request):
                    if journal is not None:
                        await self._ledger.note(keys[0], journal.take_new())
                    if held is not None:
                        door.gate.settle(*held)
                        held = None
                    target = f"{step.method} {step.target}"
                    if look is not None:
                        look.goes_out()
                        target = look.hidden(target)
                    door = self._doors[step.provider]
                    reply, held = await door.exchange(step, keys[0], chunk, stuck)
                    if journal is not None:
                        journal.add(step, reply)
                    step = recipe.send(reply)
                elif isinstance(step, Known):
                    samples = step.samples if look is None else look.cleaned(step.samples)
                    await self._ledger.write(samples, self._clock.now_s())
                    found.extend((sample, target) for sample in samples)
                    step = recipe.send(None)
                elif isinstance(step, Recall):
                    step = recipe.send(self._ledger.kept(step.name))
                elif isinstance(step, Token):
                    step = recipe.send(_required(look).issue())
                elif isinstance(step, Await):
                    if held is not None:
                        door.gate.settle(*held)
                        held = None
                    come = await self._collect(step, look, journal, keys[0], chunk, stuck)
                    if come is None:
                        return found
                    step = recipe.send(come)
                else:
                    done = await self._work(step)
                    if journal is not None:
                        journal.add(step, done)
                    step = recipe.send(done)
        except StopIteration as end:
            samples = end.value if look is None else look.cleaned(end.value)
            found.extend([(sample, target) for sample in samples])
            if held is None or not samples:
                await self._ledger.write(samples, self._clock.now_s())
                return found
            # The permit is held until the samples are stored: what a kill can make us
            # repeat is what counts as in flight. We need not wait for that.
            last, held = held, None
            door.gate.answered(*last)
            self._ledger.put(samples, last[2], partial(door.gate.settle, *last))
            return found
        except VentilError:
            raise
        except Exception as error:
            if look is None or (said := look.broken(error)) is error:
                raise
            raise said from None
        finally:
            recipe.close()
            if held is not None:
                door.gate.settle(*held)

    def _look(self, key: str, journal: Journal | None) -> Look | None:
        if self.deferrals is None or journal is None:
            return None
        return self.deferrals.look(key, journal)

    async def _collect(
        self,
        step: Await,
        look: Look | None,
        journal: Journal | None,
        key: str,
        chunk: int,
        stuck: Callable[[], None],
    ) -> Called | Reply | TimeUp | None:
        """What has come of an order; None: the record waits, and all is noted."""

        async def ask(poll: Request) -> Reply:
            door = self._doors[poll.provider]
            reply, held = await door.exchange(poll, key, chunk, stuck)
            if held is not None:
                door.gate.settle(*held)
            return reply

        assert journal is not None  # noqa: S101 - there is a look
        await self._ledger.note(key, journal.take_new())
        come = await _required(look).collect(step, ask)
        if come is not None:
            journal.add(step, come)
        return come

    def _asked_now(self) -> Period:
        """The run's days, as they are asked for on the present day."""
        day = int(self._clock.now_s() // _DAY_S)
        if day != self._asked_on:
            self._asked_on = day
            self._asked = self._period.on(_EPOCH + dt.timedelta(days=day))
        return self._asked

    async def stored(self) -> None:
        """Return when all that `batch` returned is stored. Raises StateError when not."""
        await self._ledger.stored()

    async def _work(self, work: Work) -> Done | WorkFailed:
        if self._workbench is None:
            raise RuntimeError(f"a recipe wants {work.task!r} done, and has no workbench")
        try:
            return Done(await self._workbench.run(work.task, work.payload))
        except WorkbenchError as error:
            return WorkFailed(error.message)

    def first_request(self, key: str) -> str:
        """What the record alone would be asked with, as "METHOD TARGET"; "" for nothing."""
        recipe = self._recipe.fetch((key,), self._period, {})
        try:
            step = next(recipe)
            while isinstance(step, Recall | Token):
                step = recipe.send(None if isinstance(step, Recall) else _NO_TOKEN)
        except StopIteration:
            return ""
        finally:
            recipe.close()
        return f"{step.method} {step.target}" if isinstance(step, Request) else ""

    @property
    def answered(self) -> bool:
        """Whether any provider has answered yet."""
        return any(door.requests.ok for door in self._doors.values())

    def failed_before(self, chunk: int, records: Sequence[str]) -> None:
        """Every record of *chunk* has failed in an earlier attempt; see `core.blame`.

        Of several providers nobody knows which of them it was that failed.
        """
        if self._alone:
            self._first.blame.failed_before(chunk, records)

    def hopeless(self, chunk: int) -> bool:
        """Whether the rest of *chunk*, which has failed before, need not be asked again."""
        return self._alone and self._first.hopeless(chunk)


_NO_TOKEN = Issued("", "", 0)


def _required(look: Look | None) -> Look:
    if look is None:
        raise RuntimeError("a recipe awaits a later answer, and its job does not say so")
    return look
