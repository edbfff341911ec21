"""Whose turn it is: what waits in which worker, of which run, and who was served least.

The runs share what there is evenly, by the weight of their requests, so a small run beside a
large one gets its half: each permit goes to the run that was served least (start-time fair
queueing, Goyal, Vin and Cheng 1996: who wanted nothing for a while begins where the others
are, with no credit). *Urgent* runs, for which a person waits, go first, but every fourth
permit goes to the others while they wait: the rule of `engine.line`, which does the same in a
single process. Of a run's workers the one goes first that has waited longest.
"""

from __future__ import annotations

from collections.abc import Collection

from ventil.core.places import URGENT_IN_A_ROW

_REMEMBERED = 32  # runs that want nothing, of which we know yet what they were granted

Class = tuple[int, bool]
"""Weight, and whether it is a retry."""

Ask = tuple[str, str, Class]
"""A run, the worker it waits in, and the class of the request."""


class Turns:
    """Requests that wait at all workers, and the order in which they get their turn."""

    def __init__(self) -> None:
        self._wanted: dict[str, dict[str, dict[Class, int]]] = {}  # run, worker, class: above 0
        self._urgent: set[str] = set()  # those of the runs
        self._in_a_row = 0  # turns that urgent ones got
        self._paid: dict[str, float] = {}  # weight that a run was granted, from the level on
        self._level = {True: 0.0, False: 0.0}  # what the least served of a class had paid

    def want(self, ask: Ask, count: int) -> None:
        """So many of a class are wanted now; nothing is kept of what is wanted no more."""
        run, worker, kind = ask
        if count > 0:
            self._wanted.setdefault(run, {}).setdefault(worker, {})[kind] = count
            return
        workers = self._wanted.get(run, {})
        classes = workers.get(worker, {})
        classes.pop(kind, None)
        if not classes:
            workers.pop(worker, None)
        if not workers:
            self._wanted.pop(run, None)
            self._urgent.discard(run)
            if len(self._paid) > 2 * len(self._wanted) + _REMEMBERED:
                self._paid = {r: paid for r, paid in self._paid.items() if r in self._wanted}

    def urgent(self, run: str) -> None:
        """A person waits for *run*; said again whenever it wants something."""
        self._urgent.add(run)

    def leave(self, worker: str) -> None:
        """*worker* wants nothing any more."""
        for run, workers in [*self._wanted.items()]:
            for kind in [*workers.get(worker, ())]:
                self.want((run, worker, kind), 0)

    def next(self, barred: Collection[str], *, retries: bool) -> Ask | None:
        """Whose turn it is but for the *barred* workers; None when it is nobody's."""
        found: dict[bool, tuple[float, Ask]] = {}
        for run, workers in self._wanted.items():
            urgent = run in self._urgent
            paid = max(self._paid.get(run, 0.0), self._level[urgent])
            if urgent in found and found[urgent][0] <= paid:
                continue
            for worker, classes in workers.items():
                if worker in barred:
                    continue
                kind = next((kind for kind in classes if retries or not kind[1]), None)
                if kind is not None:
                    found[urgent] = (paid, (run, worker, kind))
                    break
        first = True in found and (self._in_a_row < URGENT_IN_A_ROW or False not in found)
        return found[first][1] if first in found else None

    def take(self, ask: Ask) -> None:
        """It had its turn: the run pays, and its worker goes behind the others."""
        run, worker, kind = ask
        urgent = run in self._urgent
        self._in_a_row = self._in_a_row + 1 if urgent else 0
        self._level[urgent] = max(self._paid.get(run, 0.0), self._level[urgent])
        self._paid[run] = self._level[urgent] + kind[0]
        workers = self._wanted[run]
        classes = workers.pop(worker)
        count = classes.pop(kind)
        workers[worker] = classes
        classes[kind] = count
        self.want(ask, count - 1)

    @property
    def waiting(self) -> int:
        """Requests that wait at all workers."""
        return sum(
            count
            for workers in self._wanted.values()
            for classes in workers.values()
            for count in classes.values()
        )

    @property
    def runs(self) -> int:
        """Runs that want something."""
        return len(self._wanted)

    @property
    def workers(self) -> set[str]:
        """Workers that want something."""
        return {worker for workers in self._wanted.values() for worker in workers}
