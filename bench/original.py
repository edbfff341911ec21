"""The client that Ventil set out to replace, in its behaviour: Construct Hub's package stats.

    python -m bench.original URL NAMES.json STATS.json [--speed 1]

As read in cdklabs/construct-hub, src/backend/package-stats, at the state of 2026-08
(ad0e3bfe), and in no way its code:

- the catalogue in chunks of 100, ten chunks at once;
- in a chunk unscoped names in bulk requests of up to 128, scoped ones one by one, each
  with a timeout of 5 seconds, no limit on the rate and no eye for Retry-After;
- a throttled request (429) is logged and its packages are left out;
- any other failure fails the chunk, which is tried once more after five minutes;
- a chunk that fails again takes the whole run with it: nothing is published (exit code 1);
- otherwise stats.json is written anew, with what there is; former numbers are gone.

`--speed`: seconds of the provider per real second. All waits are divided by it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

CHUNK = 100
CHUNKS_AT_ONCE = 10
BULK = 128
TIMEOUT_S = 5.0
RETRY_DELAY_S = 300.0


def requests(names: list[str]) -> Iterator[list[str]]:
    """The names of each request for a chunk."""
    unscoped = [name for name in names if not name.startswith("@")]
    for start in range(0, len(unscoped), BULK):
        yield unscoped[start : start + BULK]
    for name in names:
        if name.startswith("@"):
            yield [name]


async def chunk(session: aiohttp.ClientSession, url: str, names: list[str]) -> dict[str, int]:
    """The counts of a chunk's packages; raises for all but throttles and unknown names."""
    counts: dict[str, int] = {}
    for asked in requests(names):
        target = f"{url}/downloads/point/last-week/{','.join(asked)}"
        async with session.get(target) as answer:
            if answer.status in (404, 429):
                continue
            answer.raise_for_status()
            found: dict[str, Any] = json.loads(await answer.read())
        entries = {asked[0]: found} if len(asked) == 1 else found
        for name, entry in entries.items():
            if entry is not None:
                counts[name] = entry["downloads"]
    return counts


async def run(url: str, names: list[str], speed: float) -> dict[str, int] | None:
    """The counts of all packages; None when a chunk failed for good."""
    slots = asyncio.Semaphore(CHUNKS_AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S / speed)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def process(part: list[str]) -> dict[str, int]:
            async with slots:
                try:
                    return await chunk(session, url, part)
                except (aiohttp.ClientError, TimeoutError):
                    await asyncio.sleep(RETRY_DELAY_S / speed)
                    return await chunk(session, url, part)

        parts = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
        results = await asyncio.gather(*map(process, parts), return_exceptions=True)
    counts: dict[str, int] = {}
    for result in results:
        if isinstance(result, BaseException):
            print(f"a chunk failed for good: {result!r}", file=sys.stderr)
            return None
        counts |= result
    return counts


def main() -> int:
    """Run and publish; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.original")
    parser.add_argument("url")
    parser.add_argument("names", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args()
    names = json.loads(options.names.read_text())
    counts = asyncio.run(run(options.url, names, options.speed))
    if counts is None:
        return 1
    packages = {name: {"downloads": {"npm": count}} for name, count in counts.items()}
    updated = dt.datetime.now(dt.UTC).isoformat()
    options.output.write_text(json.dumps({"packages": packages, "updated": updated}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
