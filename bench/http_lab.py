"""The lab's scenarios over real HTTP, beside the same in virtual time.

    python -m bench.http_lab [--quick] [--scenario Q1,...] [--client ventil,...] [--jobs 3]

Each experiment has a loopback server and a client in processes of their own (see
`ventil.sim.lab.over_http` and `bench.http_clients`). Nothing is scaled: the virtual figure
beside each is of the very same scenario, seed, client and giving-up. What is printed as
CPU is the share of one core that a side used; both should stay far below one.

Half a minute is short: a millisecond more or less decides whether a probe comes before a
window's end or after it, and with it the next ten seconds. So for `ventil` the virtual
experiment is repeated with round trips of 30 to 38 ms, and what is compared is the mean of
those, their range beside it; a loopback exchange on a busy machine differs by as much.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from bench.http_clients import GIVE_UP, policy
from bench.processes import ROOT, environment
from bench.results import RESULTS, conditions
from ventil.sim.lab.clients import CLIENTS, run
from ventil.sim.lab.governed import Governed
from ventil.sim.lab.over_http import SCENARIOS
from ventil.sim.lab.race import Scenario
from ventil.sim.lab.tables import table

NAMES = ("ventil", "fixed10", "rule2019", "aimd", "botocore")
NEAR = 0.05
"""How far from the virtual figure is near enough."""
REPEATS = 16


def experiment(name: str, client: str, seed: int, records: int | None) -> dict[str, Any]:
    """One scenario against one client, over HTTP and in virtual time."""
    scenario = SCENARIOS[name]
    if records is not None:
        scenario = replace(scenario, n=min(records, scenario.n))
    command = [sys.executable, "-m", "ventil.sim.lab.over_http", name, "--seed", str(seed)]
    load = os.getloadavg()[0]
    server = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[1]
        ran = subprocess.run(
            [sys.executable, "-m", "bench.http_clients", url, name, client, str(seed)]
            + ([] if records is None else [str(scenario.n)]),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=GIVE_UP * scenario.oracle_s(seed) + 60,
        )
        with urllib.request.urlopen(f"{url}/-/lab/report", timeout=10) as answer:  # noqa: S310
            served = json.load(answer)
    finally:
        server.terminate()
        server.communicate()
    found = json.loads(ran.stdout)
    maker = CLIENTS[client]
    if client == "ventil":

        def maker(seed: int) -> Governed:
            return Governed(policy(scenario), seed=seed)

    virtual = run(scenario, maker, seed=seed, give_up=GIVE_UP)
    spread = [virtual.ratio]
    if client == "ventil":
        spread = sorted(_repeated(scenario, seed, k) for k in range(REPEATS))
    return {
        "scenario": name,
        "title": scenario.title,
        "client": client,
        "seed": seed,
        "records": scenario.n,
        "load": round(load, 1),
        **found,
        "overload": served["overload"],
        "outage_sent": served["outage_sent"],
        "throttled": served["throttled"],
        "unavailable": served["unavailable"],
        "requests": served["requests"],
        "server_cpu": served["cpu_s"] / max(found["makespan_s"], 1e-9),
        "server_latest_ms": 1000 * served["latest_s"],
        "virtual": {
            "ratio": virtual.ratio,
            "mean": mean(spread),
            "least": spread[0],
            "most": spread[-1],
            "finished": virtual.finished,
            "waste": virtual.waste,
            "overload": virtual.overload,
            "outage_sent": virtual.outage_sent,
        },
    }


def _repeated(scenario: Scenario, seed: int, k: int) -> float:
    """The ratio in virtual time with a slightly longer way, over the same oracle."""
    provider = replace(scenario.provider, rtt_s=0.030 + 0.008 * k / REPEATS)

    def maker(_: int) -> Governed:
        return Governed(policy(scenario), seed=k)

    slower = replace(scenario, provider=provider)
    found = run(slower, maker, seed=seed, give_up=GIVE_UP)
    return found.makespan_s / scenario.oracle_s(seed)


def _mark(rows: list[dict[str, Any]], value: float, *, virtual: bool = False) -> str:
    unfinished = any(not (r["virtual"] if virtual else r)["finished"] for r in rows)
    return f"{'>' if unfinished else ''}{value:.2f}"


def tables(results: list[dict[str, Any]]) -> str:
    """Markdown: makespan, ours in detail, the CPU of both sides."""
    names = list(dict.fromkeys(r["scenario"] for r in results))
    clients = list(dict.fromkeys(r["client"] for r in results))
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for r in results:
        cells.setdefault((r["scenario"], r["client"]), []).append(r)

    def both(rows: list[dict[str, Any]]) -> str:
        http = _mark(rows, mean(r["ratio"] for r in rows))
        model = _mark(rows, mean(r["virtual"]["mean"] for r in rows), virtual=True)
        return f"{http} ({model})"

    def wasted(rows: list[dict[str, Any]]) -> str:
        http = 100 * mean(r["waste"] for r in rows)
        return f"{http:.1f} ({100 * mean(r['virtual']['waste'] for r in rows):.1f})"

    parts = ["### Makespan / oracle, over HTTP (in virtual time)\n"]
    parts.append(
        table(
            ["", *clients],
            [
                [n, *(both(cells[n, c]) if (n, c) in cells else "" for c in clients)]
                for n in names
            ],
        )
    )
    parts.append("\n### Wasted requests, % of the records, over HTTP (in virtual time)\n")
    parts.append(
        table(
            ["", *clients],
            [
                [n, *(wasted(cells[n, c]) if (n, c) in cells else "" for c in clients)]
                for n in names
            ],
        )
    )
    outages = [
        n for n in names if any(r["outage_sent"] is not None for r in cells[n, clients[0]])
    ]
    if outages:

        def sent(rows: list[dict[str, Any]]) -> str:
            http = mean(r["outage_sent"] for r in rows)
            return f"{http:.0f} ({mean(r['virtual']['outage_sent'] for r in rows):.0f})"

        parts.append("\n### Requests sent into the outage, over HTTP (in virtual time)\n")
        parts.append(
            table(
                ["", *clients],
                [
                    [n, *(sent(cells[n, c]) if (n, c) in cells else "" for c in clients)]
                    for n in outages
                ],
            )
        )
    parts.append(f"\n### {clients[0]} alone: means of its seeds\n")
    rows = []
    for n in names:
        mine = cells[n, clients[0]]
        apart = mean(r["ratio"] - r["virtual"]["mean"] for r in mine)
        over, virtual_over = (
            100 * mean(values)
            for values in zip(
                *((r["overload"], r["virtual"]["overload"]) for r in mine), strict=True
            )
        )
        rows.append(
            [
                n,
                str(len(mine)),
                str(mine[0]["records"]),
                f"{mean(r['oracle_s'] for r in mine):.1f}",
                f"{mean(r['makespan_s'] for r in mine):.1f}",
                f"{100 * apart:+.1f}",
                " ".join(f"{r['ratio']:.2f}" for r in mine),
                " ".join(
                    f"{r['virtual']['least']:.2f}-{r['virtual']['most']:.2f}" for r in mine
                ),
                f"{over:.0f} ({virtual_over:.0f})",
                f"{max(r['client_cpu'] for r in mine):.2f}",
                f"{max(r['server_cpu'] for r in mine):.2f}",
                f"{max(r['server_latest_ms'] for r in mine):.0f}",
            ]
        )
    head = [
        "",
        "seeds",
        "records",
        "oracle s",
        "took s",
        "points off virtual",
        "each seed",
        "virtual",
    ]
    head += ["overload %", "client CPU", "server CPU", "latest ms"]
    parts.append(table(head, rows))
    return "\n".join(parts)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.http_lab")
    parser.add_argument("--quick", action="store_true", help="a few seconds: does it work?")
    parser.add_argument("--scenario", help=f"of {','.join(SCENARIOS)}")
    parser.add_argument("--client", help=f"of {','.join(CLIENTS)}")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the other clients")
    parser.add_argument("--own-seeds", type=int, default=3, help="seeds of ventil")
    parser.add_argument("--jobs", type=int, default=1, help="experiments at once")
    parser.add_argument("--output", type=Path, help="JSON; default bench/results/")
    options = parser.parse_args()
    names = options.scenario.split(",") if options.scenario else list(SCENARIOS)
    clients = options.client.split(",") if options.client else list(NAMES)
    records = None
    if options.quick:
        names, clients, records = names[:1], clients[:2], 40
        options.own_seeds = 1
    tasks = [
        (name, client, seed, records)
        for client in clients
        for name in names
        for seed in range(options.own_seeds if client == "ventil" else options.seeds)
    ]
    results: list[dict[str, Any]] = []
    output = options.output or (None if options.quick else RESULTS / "http_lab.json")
    heads = {"bench": "http_lab", **conditions(quick=options.quick), "jobs": options.jobs}
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(lambda task: experiment(*task), tasks):
            results.append(result)
            print(
                f"{result['scenario']} {result['client']:9} seed {result['seed']}: "
                f"{result['ratio']:.3f} (virtual {result['virtual']['ratio']:.3f})",
                file=sys.stderr,
                flush=True,
            )
            if output is not None:
                output.parent.mkdir(parents=True, exist_ok=True)
                document = {**heads, "results": results}
                output.write_text(json.dumps(document, indent=1) + "\n")
    print(tables(results))
    mine = [r for r in results if r["client"] == "ventil"]
    far = {
        name: mean(r["ratio"] - r["virtual"]["mean"] for r in mine if r["scenario"] == name)
        for name in names
        if mine
    }
    far = {name: apart for name, apart in far.items() if abs(apart) > NEAR}
    words = ", ".join(f"{name} {100 * apart:+.1f}" for name, apart in far.items())
    print(f"\nventil more than 5 points off its virtual figure: {words or 'nowhere'}")


if __name__ == "__main__":
    main()
