"""The simulator as an object: a loopback server, its clock, its log and its report."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import errno
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from ventil.errors import PortError, SettingError
from ventil.sim.npm import api, pages
from ventil.sim.npm.answer import Answer
from ventil.sim.npm.clock import Clock, SystemClock
from ventil.sim.npm.connection import Connection
from ventil.sim.npm.counts import WINDOW_DAYS, Counts, sample
from ventil.sim.npm.load import from_table, named_or_file
from ventil.sim.npm.provider import Provider
from ventil.sim.npm.scenario import Scenario
from ventil.sim.npm.tally import Report, RequestLog

_DAY_S = 86_400
_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()


class NpmSim:
    """A simulated npm downloads API on loopback; an async context manager.

    *scenario*: a value, a preset's name or a file's path. *counts*: None for the shipped
    sample; a mapping is name to count, recorded for *counts_are* (a key of
    `counts.WINDOW_DAYS`). *today*: the server's day, None follows the clock (UTC). Port 0
    takes a free one. *log*: append one JSON line per event (see `tally.RequestLog`).
    Entering raises PortError when the port cannot be opened.
    """

    def __init__(
        self,
        scenario: Scenario | str = "calm",
        counts: Counts | Mapping[str, int] | None = None,
        *,
        counts_are: str = "last-week",
        seed: int = 0,
        today: dt.date | None = None,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self._host = host
        self._port = port
        self._log_path = log
        self._log: RequestLog | None = None
        self._fixed_day = today.toordinal() if today else None
        if counts is None:
            counts = sample()
        elif not isinstance(counts, Counts):
            counts = Counts(counts, WINDOW_DAYS[counts_are])
        if isinstance(scenario, str):
            scenario = named_or_file(scenario)
        self._provider = Provider(scenario, counts, self._today, seed)
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()
        self._serial = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._log_path is not None:
            self._log = RequestLog(self._log_path)
        self._provider.reset(self.clock.now_s())
        try:
            self._server = await loop.create_server(
                lambda: Connection(self), self._host, self._port, backlog=1024
            )
        except OSError as error:
            self._close_log()
            raise _port_error(self._host, self._port, error) from error
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            tasks = [task for c in list(self._open) if (task := c.drop()) is not None]
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # lets the transports say that they are closed
            await self._server.wait_closed()
        self._close_log()

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def port(self) -> int:
        """The port; 0 before it is open when any will do."""
        return self._port

    @property
    def scenario(self) -> Scenario:
        """What it plays."""
        return self._provider.scenario

    def report(self) -> Report:
        """What it counted since the start or the last reset."""
        return self._provider.report()

    def reset(self) -> None:
        """Forget all requests, quotas and bans; request numbers start at 1 again."""
        self._provider.reset(self.clock.now_s())

    def play(self, scenario: Scenario | str) -> None:
        """Change to *scenario* and reset."""
        if isinstance(scenario, str):
            scenario = named_or_file(scenario)
        self._provider.scenario = scenario
        self.reset()

    def _today(self, now_s: float) -> int:
        if self._fixed_day is not None:
            return self._fixed_day
        return _EPOCH_ORDINAL + int(now_s // _DAY_S)

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    # What a connection asks of the server

    def opened(self, connection: Connection) -> bool:
        """A client has connected. False: it is to be reset at once."""
        self._open.add(connection)
        return self._provider.connect(self.clock.now_s())

    def closed(self, connection: Connection) -> None:
        """A connection has ended."""
        self._open.discard(connection)

    def greet(self, head: bytes) -> None:
        """Note the User-Agent of a connection's first request."""
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"user-agent":
                self._provider.tally.user_agents[value.strip().decode("latin-1")] += 1

    def arrive(self, method: str, target: str, gzips: bool) -> tuple[int, Answer]:
        """Decide the answer to an API request; its serial number for `settle`."""
        asked = api.parse(target)
        now_s = self.clock.now_s()
        answer = self._provider.arrive(now_s, asked, len(target), gzips)
        self._serial += 1
        if self._log is not None:
            self._log.write(
                "asked",
                n=self._serial,
                at_s=round(now_s, 6),
                method=method,
                target=target,
                names=asked.names,
            )
        return self._serial, answer

    def settle(self, serial: int, answer: Answer, *, aborted: bool) -> None:
        """An answer has ended, well or not."""
        self._provider.settle(answer, aborted=aborted)
        if self._log is not None:
            self._log.write(
                "answered",
                n=serial,
                at_s=round(self.clock.now_s(), 6),
                status=answer.status,
                behaviour=answer.behaviour,
                whole=not aborted,
            )

    async def sleep(self, seconds: float) -> None:
        """Sleep on the server's clock."""
        await self.clock.sleep(seconds)

    def control(self, method: str, target: str, body: bytes) -> Answer:
        """Answer a request under `/-/sim/`; these are not counted.

        `GET report` (`?names=0` leaves the names out), `POST reset`, and `POST play` with a
        scenario as JSON, like a scenario file: `{"base": "calm"}`.
        """
        path, _, query = target.partition("?")
        match method, path:
            case "GET", "/-/sim/report":
                report = self.report()
                if query == "names=0":
                    report = dataclasses.replace(report, names={}, answered={})
                totals = {"violations": report.violations, "throttled": report.throttled}
                value = msgspec.to_builtins(report) | totals
                return Answer(200, pages.JSON, msgspec.json.encode(value))
            case "POST", "/-/sim/reset":
                self.reset()
                return Answer(200, pages.JSON, b'{"reset":true}')
            case "POST", "/-/sim/play":
                return self._play(body)
        return Answer(404, pages.JSON, b'{"error":"no such control"}')

    def _play(self, body: bytes) -> Answer:
        try:
            scenario = from_table(msgspec.json.decode(body, type=dict[str, Any]))
        except (SettingError, msgspec.DecodeError) as error:
            value = {"error": getattr(error, "message", str(error))}
            return Answer(400, pages.JSON, msgspec.json.encode(value))
        self.play(scenario)
        return Answer(200, pages.JSON, msgspec.json.encode({"playing": scenario.name}))


def _port_error(host: str, port: int, error: OSError) -> PortError:
    if error.errno == errno.EADDRINUSE:
        return PortError(
            f"port {port} on {host} is in use by another process",
            hint="choose another with --port, or --port 0 for any free one",
        )
    return PortError(f"cannot listen on {host}:{port}: {error.strerror or error}")
