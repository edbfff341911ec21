"""The lab's clients over real HTTP; one scenario, one client, one process.

    python -m bench.http_clients URL SCENARIO CLIENT SEED [RECORDS]

`ventil` is the engine's own path: `engine.gate.Gate` before `core.governor.Governor`, an
`adapters.http.HttpTransport`, answers judged by `core.outcome.judge_http`; one task per
record, as in a run, and the state stored in memory. The others are the lab's comparison
clients, driven as in virtual time (`ventil.sim.lab.race`), through the same transport.
Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import resource
import sys
import time
import urllib.request
from collections import deque
from dataclasses import replace
from typing import Any

from ventil.adapters.clock import SteadyClock
from ventil.adapters.http import HttpTransport
from ventil.core.exchange import Fault, Reply, Request, Verdict
from ventil.core.governor import Governor, Policy
from ventil.core.outcome import judge_http
from ventil.engine.gate import Gate, Patience
from ventil.sim.lab.client import Client
from ventil.sim.lab.clients import CLIENTS
from ventil.sim.lab.over_http import SCENARIOS
from ventil.sim.lab.provider import NO_ANSWER, OK, Flight
from ventil.sim.lab.race import Scenario
from ventil.testing import MemoryStore

GIVE_UP = 3.0
"""An experiment ends unfinished at this multiple of the oracle's makespan."""


def policy(scenario: Scenario) -> Policy:
    """What our client is told: nothing but its own timeout."""
    return Policy(timeout_s=scenario.provider.timeout_s)


class Tally:
    """What a client counted by itself."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.rng = random.Random(f"race:{seed}")
        self.sent = self.done = self.failed = 0
        self.all_done = asyncio.Event()
        self.start_s = asyncio.get_running_loop().time()
        self.last_ok_s = self.start_s

    def ok(self) -> None:
        """A record is in."""
        self.done += 1
        self.last_ok_s = asyncio.get_running_loop().time()
        if self.done == self.scenario.n:
            self.all_done.set()

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float:
        """When a failed record is ready again: the lab's rule, see `race`."""
        if retry_after_s is not None:
            return retry_after_s
        if attempt >= 3:
            return self.rng.random() * min(20.0, 0.5 * 2.0 ** min(attempt, 10))
        return 0.05


async def engine_path(transport: HttpTransport, tally: Tally, seed: int) -> None:
    """Gate, governor and transport; a task per record."""
    clock = SteadyClock()
    governor = Governor(policy(tally.scenario), clock.now_s(), seed=seed)
    gate = Gate(
        "lab@http",
        governor,
        clock,
        MemoryStore(),
        patience=Patience(max_wait_s=math.inf, reach_within_s=math.inf),
        stop=_raise,
    )

    async def record(number: int) -> None:
        attempt = 0
        while True:
            permit = await gate.acquire(retry=attempt > 0, record=number)
            attempt += 1
            tally.sent += 1
            reply = await transport.send(Request(f"/r/{number}"))
            now_s = clock.now_s()
            outcome = judge_http(reply, now_s)
            gate.settle(permit, outcome, now_s)
            if outcome.verdict is Verdict.LIVE:
                tally.ok()
                return
            tally.failed += 1
            await asyncio.sleep(tally.wait_s(attempt, outcome.retry_after_s))

    tasks = [asyncio.create_task(record(number)) for number in range(tally.scenario.n)]
    try:
        await tally.all_done.wait()
    finally:
        gate.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _raise(error: Exception) -> None:
    raise error


class Driven:
    """One of the lab's clients on the wall clock: `race._pump` and `race._complete`."""

    def __init__(self, client: Client, transport: HttpTransport, tally: Tally) -> None:
        self.client = client
        self.transport = transport
        self.tally = tally
        self.next = self.delayed = self.in_flight = 0
        self.ready: deque[int] = deque()
        self.attempts: dict[int, int] = {}
        self.loop = asyncio.get_running_loop()
        self.timer: asyncio.TimerHandle | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def now_s(self) -> float:
        """Seconds since the start."""
        return self.loop.time() - self.tally.start_s

    async def run(self) -> None:
        """Until every record is in, or cancelled."""
        try:
            self.pump()
            await self.tally.all_done.wait()
        finally:
            if self.timer is not None:
                self.timer.cancel()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    def pump(self) -> None:
        """Send until the client says wait."""
        client, n = self.client, self.tally.scenario.n
        now_s = self.now_s()
        while True:
            retry = bool(self.ready)
            fresh = n - self.next
            if not retry and not fresh:
                return
            pending = len(self.ready) + fresh + self.delayed
            at_s = client.ask(now_s, pending, retry, self.ready[0] if retry else self.next)
            if at_s > now_s:
                if at_s < math.inf:
                    if self.timer is not None:
                        self.timer.cancel()
                    self.timer = self.loop.call_later(max(0.001, at_s - now_s), self.pump)
                return
            if retry:
                record = self.ready.popleft()
            else:
                record = self.next
                self.next += 1
            attempt = self.attempts[record] = self.attempts.get(record, 0) + 1
            self.in_flight += 1
            self.tally.sent += 1
            flight = Flight(None, record, attempt, now_s, self.in_flight)
            flight.ticket = client.sent(now_s)
            task = self.loop.create_task(self.exchange(flight))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def exchange(self, flight: Flight) -> None:
        """One request; then learn, and ask again."""
        reply = await self.transport.send(Request(f"/r/{flight.record}"))
        now_s = self.now_s()
        self.in_flight -= 1
        flight.done = True
        flight.status, flight.retry_after_s = _told(reply, now_s)
        if flight.status == OK:
            self.tally.ok()
        else:
            self.tally.failed += 1
            self.delayed += 1
            wait_s = self.tally.wait_s(flight.attempt, flight.retry_after_s)
            self.loop.call_later(wait_s, self.back, flight.record)
        self.client.completed(now_s, flight)
        self.pump()

    def back(self, record: int) -> None:
        """A failed record is ready again."""
        self.delayed -= 1
        self.ready.append(record)
        self.pump()


def _told(reply: Reply, now_s: float) -> tuple[int, float | None]:
    if isinstance(reply, Fault):
        return NO_ANSWER, None
    return reply.status, judge_http(reply, now_s).retry_after_s


async def experiment(url: str, scenario: Scenario, client: str, seed: int) -> dict[str, Any]:
    """Run it to its end or its giving-up, and say what came of it."""
    transport = HttpTransport(
        url,
        user_agent="ventil-bench",
        timeout_s=scenario.provider.timeout_s,
        connections=1_100,
    )
    oracle_s = scenario.oracle_s(seed)
    start = urllib.request.Request(f"{url}/-/lab/start", method="POST")  # noqa: S310
    urllib.request.urlopen(start, timeout=10).close()  # noqa: S310, ASYNC210
    cpu_s = time.process_time()
    tally = Tally(scenario, seed)
    finished = True
    try:
        async with asyncio.timeout(GIVE_UP * oracle_s):
            if client == "ventil":
                await engine_path(transport, tally, seed)
            else:
                await Driven(CLIENTS[client](seed), transport, tally).run()
    except TimeoutError:
        finished = False
    ended_s = asyncio.get_running_loop().time() - tally.start_s
    cpu_s = time.process_time() - cpu_s
    await transport.close()
    makespan_s = tally.last_ok_s - tally.start_s if finished else ended_s
    ratio = makespan_s / oracle_s
    if not finished:
        ratio *= scenario.n / max(1, tally.done)
    return {
        "finished": finished,
        "done": tally.done,
        "sent": tally.sent,
        "failed": tally.failed,
        "makespan_s": makespan_s,
        "oracle_s": oracle_s,
        "ratio": ratio,
        "waste": (tally.sent - tally.done) / scenario.n,
        "client_cpu": cpu_s / ended_s,
        "client_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(url: str, name: str, client: str, seed: str, records: str | None = None) -> None:
    """Print the result as one line."""
    scenario = SCENARIOS[name]
    if records is not None:
        scenario = replace(scenario, n=int(records))
    print(json.dumps(asyncio.run(experiment(url, scenario, client, int(seed)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
