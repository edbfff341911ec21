"""Which runs a worker works on now: those of its shards, as many at once as it has slots.

See `core.shard` and `core.places`. Every worker works out its own part from what stands in the
database; nobody assigns anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from ventil.adapters.worker_store import WorkerStore
from ventil.core.places import Places, Turn
from ventil.core.shard import shard


class Rota:
    """The turns of one worker. `needs`: the provider keys needed for the runs of each run key.

    *slots*: chunks of each run key at once. *size*: workers of a shard, 0 for all.
    """

    def __init__(
        self, worker: str, needs: Mapping[str, frozenset[str]], *, slots: int, size: int = 0
    ) -> None:
        self._worker = worker
        self._needs = needs
        self._size = size
        self._places = {key: Places(slots) for key in needs}
        self._key_of: dict[str, str] = {}  # of the runs that hold a place

    def look(self, store: WorkerStore, now_s: float) -> Turn:
        """Which runs to begin with, and which to stop. Raises StateError."""
        mine = [*self._needs]
        if self._size:
            live = store.live()
            mine = [key for key in mine if self._serves(key, live)]
        store.cancel_idle(mine)
        waiting: dict[str, dict[str, bool]] = {key: {} for key in mine}
        for run, key, urgent in store.runs_to_work_on(mine):
            waiting[key][run] = urgent
        begin: list[str] = []
        end: list[str] = []
        for key, places in self._places.items():
            if key in waiting:
                turn = places.turn(now_s, waiting[key])
                self._key_of.update(dict.fromkeys(turn.begin, key))
                begin.extend(turn.begin)
                end.extend(turn.end)
            else:  # others serve it now
                end.extend(places.clear())
        return Turn(tuple(begin), tuple(end))

    def _serves(self, key: str, live: Mapping[str, frozenset[str]]) -> bool:
        able = [worker for worker, served in live.items() if served >= self._needs[key]]
        return self._worker in shard(key, able, self._size)

    def share(self, run: str) -> int:
        """How many chunks of *run* may be worked on here at once."""
        key = self._key_of.get(run)
        return 0 if key is None else self._places[key].share(run)

    def over(self, run: str) -> None:
        """This worker works on *run* no more."""
        key = self._key_of.pop(run, None)
        if key is not None:
            self._places[key].over(run)
