"""Where the client's CPU goes: the same run with one part after another taken out.

    python -m bench.parts [--quick]

A catalogue of single requests, 10 at once: in full; with answers made up on the spot in
place of the network; then without writing samples; then without gate and governor. Each
variant is a process of its own, in turn, medians; what a part costs is the difference to
the variant before. What remains is planning, the recipe, the durable queue, publishing and
the start of the run.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import catalogues
from bench.processes import environment, simulator
from bench.results import digits, median, run, table

VARIANTS = ("in full", "no network", "nothing stored", "no governor")
CONCURRENCY = 10


def strip(variant: str) -> None:
    """Take the parts out, up to *variant*."""
    from ventil.adapters.http import HttpTransport
    from ventil.adapters.sql import SqlStore
    from ventil.core.exchange import Request, Response
    from ventil.core.governor import Permit
    from ventil.engine.gate import Gate
    from ventil.sim.npm.counts import Counts
    from ventil.sim.npm.provider import Provider
    from ventil.sim.npm.scenario import Scenario

    taken = VARIANTS.index(variant)
    made: dict[str, bytes] = {}

    async def send(_: HttpTransport, request: Request) -> Response:
        way, _, name = request.target.partition("@")
        if way not in made:
            made[way] = template(way)
        await asyncio.sleep(0)
        return Response(200, headers, made[way].replace(b"@s/n", f"@{name}".encode()))

    def template(way: str) -> bytes:
        from ventil.sim.npm import api

        sim = Provider(Scenario(), Counts({"@s/n": 700}), lambda _: today, seed=0)
        answer = sim.arrive(time.time(), api.parse(f"{way}@s/n"), 60, False)
        assert answer.status == 200
        return answer.body

    headers = {"content-type": "application/json", "date": "x", "content-length": "300"}
    today = 719_163 + int(time.time() // 86_400)  # the ordinal of 1970-01-01, and days since
    permit = Permit(1, 0.0, 1, False, None, 1, 0, False, False)

    async def acquire(*_: object, **__: object) -> Permit:
        return permit

    if taken >= 1:
        HttpTransport.send = send  # type: ignore[method-assign]
    if taken >= 2:
        SqlStore.record = lambda *_, **__: None  # type: ignore[method-assign,assign]
    if taken >= 3:
        Gate.acquire = acquire  # type: ignore[method-assign,assign]
        Gate.settle = lambda *_: None  # type: ignore[method-assign,assign]
        Gate.save = lambda *_: None  # type: ignore[method-assign,assign]


def one(variant: str, url: str, catalogue: str, folder: str) -> None:
    """Run one variant in this process and print its CPU seconds, imports left out."""
    import ventil.adapters.durable
    import ventil.adapters.http
    import ventil.wiring  # noqa: F401 - imported before the measurement
    from ventil.cli.main import run as command

    strip(variant)
    os.chdir(folder)
    Path("ventil.toml").write_text(
        f'[providers.npm-downloads]\nbase_url = "{url}"\nquotas = []\n'
        f"max_in_flight = {CONCURRENCY}\n[run]\nretries = 0\n"
    )
    state = tempfile.mkdtemp(dir=folder)
    before_s = time.process_time()
    database = f"sqlite:///{state}/ventil.sqlite"
    code = command(["stats", catalogue, "-o", "stats.json", "--database", database, "--quiet"])
    spent_s = time.process_time() - before_s
    assert code == (0 if variant in VARIANTS[:2] else 3), code
    print(json.dumps(spent_s))


def measure(quick: bool) -> dict[str, Any]:
    """All variants, turn by turn."""
    records, turns = (300, 1) if quick else (20_000, 3)
    spent: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        packages = catalogues.synthetic(records, scoped=1.0)
        names, counts, _ = catalogues.write(packages, folder)
        with simulator("unlimited", counts=counts) as sim:
            for _ in range(turns):
                for variant in VARIANTS:
                    said = subprocess.run(
                        [sys.executable, "-m", "bench.parts", variant, sim.url, names, folder],
                        env=environment(),
                        check=True,
                        capture_output=True,
                        text=True,
                    )
                    spent[variant].append(1e6 * float(said.stdout) / records)
    found = {variant: median(values) for variant, values in spent.items()}
    parts = ("network", "writing samples", "gate and governor")
    costs = {
        part: digits(found[before] - found[after], 3)
        for part, before, after in zip(parts, VARIANTS, VARIANTS[1:], strict=False)
    }
    costs["the rest"] = found[VARIANTS[-1]]
    table(
        f"CPU us for each of {records:,} single requests, {turns} turns, medians",
        ("part", "us", "share"),
        [(p, c, f"{100 * c / found['in full']:.0f} %") for p, c in costs.items()],
    )
    return {"goals": [], "records": records, "variants": found, "parts": costs}


if __name__ == "__main__":
    if len(sys.argv) == 5:
        one(*sys.argv[1:])
    else:
        run("parts", "Where the client's CPU goes.", measure)
