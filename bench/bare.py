"""What Ventil is measured against: the shortest aiohttp loop that fetches the same.

    python -m bench.bare URL BATCHES.json CONCURRENCY OUTPUT.json

It is given the batches ready made, reads and decodes each answer and keeps the numbers in
a dict. It has no limit but its concurrency, no checks, no retries and no state: a single
bad answer ends it, and a kill loses everything.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL


async def fetch(url: str, batches: list[list[str]], concurrency: int) -> dict[str, Any]:
    """The counts of all names in *batches*, *concurrency* requests at a time."""
    counts: dict[str, Any] = {}
    todo = iter(batches)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency), raise_for_status=True
    ) as session:

        async def work(todo: Iterator[list[str]]) -> None:
            for batch in todo:
                target = f"{url}/downloads/range/last-week/{','.join(batch)}"
                async with session.get(URL(target, encoded=True)) as answer:
                    found = json.loads(await answer.read())
                if len(batch) == 1:
                    found = {batch[0]: found}
                for name in batch:
                    counts[name] = sum(d["downloads"] for d in found[name]["downloads"])

        await asyncio.gather(*(work(todo) for _ in range(concurrency)))
    return counts


def main(url: str, batches: str, concurrency: str, output: str) -> None:
    """Fetch and write the counts."""
    listed = json.loads(Path(batches).read_text())
    counts = asyncio.run(fetch(url, listed, int(concurrency)))
    with Path(output).open("w") as file:
        json.dump(counts, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
