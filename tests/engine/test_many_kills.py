"""A run of many providers is killed at every passage of a point: what was answered stays."""

from __future__ import annotations

from collections import Counter

import pytest
from engine_bench import policy_of
from many_bench import ManyBench, plain
from test_kills_in_virtual_time import Killed, bury

from ventil import crashpoint
from ventil.testing import EPOCH_S, FakeClock, InlineQueue, MemoryStore, VirtualLoop

KEYS = [f"a-b-{n}" for n in range(6)] + [f"b-c-{n}" for n in range(5)] + ["c--0", "c--hostile"]
UNDISTURBED = 2 * 11 + 2
IN_FLIGHT = 2
POINTS = ("steps.before", "steps.after", "ledger.before", "ledger.after", "send.after")


class Story:
    """One job over several lives."""

    def __init__(self) -> None:
        self.store, self.queue = MemoryStore(), InlineQueue()
        self.start_s = EPOCH_S
        self.asked: Counter[tuple[str, str]] = Counter()
        self.kills = 0

    def live(self, monkeypatch: pytest.MonkeyPatch, at: str = "") -> bool:
        """One life, killed at a point; whether it ended well."""
        clock = FakeClock(self.start_s)
        bench = ManyBench(
            KEYS,
            plain("a", "b", "c"),
            {name: policy_of(max_in_flight=IN_FLIGHT) for name in "abc"},
            chunk_size=4,
            store=self.store,
            queue=self.queue.copy(clock.now_s),
            clock=clock,
        )
        left: list[tuple[MemoryStore, InlineQueue]] = []

        def die(*_: object) -> None:
            if not left:
                left.append((bench.store.copy(), bench.queue.copy()))
            raise Killed

        name, _, number = at.partition(":")
        monkeypatch.setattr(crashpoint, "_left", {name: int(number)} if at else {})
        monkeypatch.setattr(crashpoint.os, "kill", die)
        loop = VirtualLoop(most_s=600.0)
        loop.set_exception_handler(lambda *_: None)
        try:
            loop.run_until_complete(bench.execute())
        except Killed:
            self.kills += 1
        self.start_s = clock.now_s() + 1.0
        monkeypatch.undo()
        bury(loop)
        for provider, transport in bench.transports.items():
            self.asked.update((provider, target) for target in transport.targets)
        if left:
            self.store, self.queue = left[0]
        return not left

    def check(self) -> None:
        """All is answered, and nothing was asked twice but what was in flight."""
        [run] = self.store.runs()
        settled = self.store.settled(run.series, run.day, KEYS)
        assert settled == set(KEYS) - {"c--hostile"}
        assert [failure.key for failure in self.store.failures()] == ["c--hostile"]
        for key in settled:
            kept = self.store.kept(run.series, key)
            assert kept is not None
            assert kept.body == key.upper().encode()
            assert self.store.steps(run.id, key) == []
        assert self.asked.total() <= UNDISTURBED + 3 * IN_FLIGHT * self.kills


def test_an_undisturbed_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the others are compared with."""
    story = Story()
    assert story.live(monkeypatch)
    story.check()
    assert story.asked.total() == UNDISTURBED


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_every_passage(monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """The first passage, the second, ... each in a story of its own."""
    number = 0
    while True:
        number += 1
        story = Story()
        if story.live(monkeypatch, f"{point}:{number}"):
            break
        assert story.live(monkeypatch)
        story.check()
    assert number > 1


def test_kills_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen lives, each of which notes a step or two and dies."""
    story = Story()
    for number in range(12):
        if story.live(monkeypatch, f"{POINTS[number % 4]}:1"):
            break
    assert story.live(monkeypatch) or story.live(monkeypatch)
    story.check()
    assert story.kills > 5
