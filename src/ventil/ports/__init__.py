"""What the engine needs of the outside, as protocols; `adapters/` implements them.

The engine sees these and the pure core, never an adapter. Times are seconds since the
epoch, UTC (`*_s`). Store calls are short transactions and block the caller: they are
local (a SQLite file), and a call is at most some milliseconds.
"""

from __future__ import annotations

from ventil.ports.asking import Api, Combiner, Provider, Recipe, Transport, Workbench
from ventil.ports.rows import ChunkRow, Entry, Failure, ProviderRow, Run, RunState
from ventil.ports.running import ChunkHandler, Clock, Durable, Reporter
from ventil.ports.store import Recorder, Store
from ventil.ports.waiting import MOST_AHEAD, Callback, Crowd, Wait, WaitingRoom

__all__ = [
    "MOST_AHEAD",
    "Api",
    "Callback",
    "ChunkHandler",
    "ChunkRow",
    "Clock",
    "Combiner",
    "Crowd",
    "Durable",
    "Entry",
    "Failure",
    "Provider",
    "ProviderRow",
    "Recipe",
    "Recorder",
    "Reporter",
    "Run",
    "RunState",
    "Store",
    "Transport",
    "Wait",
    "WaitingRoom",
    "Workbench",
]
