"""Shipped fakes: the ports without the outside, and an event loop in which time is free."""

from ventil.testing.memory import MemoryStore
from ventil.testing.outside import (
    InlineQueue,
    PlainProvider,
    RecordingReporter,
    ScriptedTransport,
    answer,
)
from ventil.testing.recipes import Driven, drive
from ventil.testing.virtual import (
    EPOCH_S,
    Deadlock,
    FakeClock,
    VirtualLoop,
    run_virtual,
)

__all__ = [
    "EPOCH_S",
    "Deadlock",
    "Driven",
    "FakeClock",
    "InlineQueue",
    "MemoryStore",
    "PlainProvider",
    "RecordingReporter",
    "ScriptedTransport",
    "VirtualLoop",
    "answer",
    "drive",
    "run_virtual",
]
