"""How fast is the simulator? Drive it with bare sockets from another process.

    python scripts/sim_load.py [--requests 20000] [--connections 8] [--bulk 1]

Starts `ventil.sim.npm unlimited` and sends GETs over keep-alive connections, one in flight
on each, from a loader that does nothing but find the end of each answer. Prints JSON:
requests per second and the simulator's CPU time per request in microseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Loader(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, targets: list[bytes], done: asyncio.Future[None]) -> None:
        self._targets = targets
        self._done = done
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Wait for the answer's end, then ask again."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
        if len(rest) >= int(length):
            self._buffer = b""
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, wanted or not."""
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed"))

    def _next(self) -> None:
        if self._targets:
            self._transport.write(self._targets.pop())
        elif not self._done.done():
            self._done.set_result(None)


async def load(port: int, requests: list[bytes], connections: int) -> float:
    """Send all *requests*; seconds it took."""
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(connections)]
    start_s = time.perf_counter()
    for end in ends:
        await loop.create_connection(lambda end=end: Loader(requests, end), "127.0.0.1", port)
    await asyncio.gather(*ends)
    return time.perf_counter() - start_s


def cpu_s(pid: int) -> float:
    """User and system time of process *pid* (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--bulk", type=int, default=1, help="names in each request")
    options = parser.parse_args()
    counts = json.loads((ROOT / "src/ventil/sim/data/counts.json").read_text())["counts"]
    names = [n for n in counts if n.startswith("@") or options.bulk == 1]
    if options.bulk > 1:
        names = [n for n in counts if not n.startswith("@")]
    requests = []
    for i in range(options.requests):
        asked = ",".join(names[(i + j) % len(names)] for j in range(options.bulk))
        line = f"GET /downloads/point/last-week/{asked} HTTP/1.1\r\nHost: x\r\n"
        requests.append((line + "Accept: application/json\r\n\r\n").encode())
    process = subprocess.Popen(
        [sys.executable, "-m", "ventil.sim.npm", "unlimited"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - narrows the type
        port = int(process.stdout.readline().rpartition(":")[2])
        before_s = cpu_s(process.pid)
        took_s = asyncio.run(load(port, requests, options.connections))
        spent_s = cpu_s(process.pid) - before_s
    finally:
        process.terminate()
        process.wait()
    result = {
        "requests": options.requests,
        "connections": options.connections,
        "bulk": options.bulk,
        "requests_per_s": round(options.requests / took_s),
        "simulator_cpu_us_per_request": round(spent_s / options.requests * 1e6, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
