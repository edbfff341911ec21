"""What Ventil costs beside a bare aiohttp loop, per request.

    python -m bench.cost [--quick]

Both fetch the same catalogue in the same requests, in the same order, from the unlimited
simulator, which is another process, turn by turn (A B A B ...), each in a process of its
own. The simulator itself says how many requests it got and how long it took from the first
to the last.

CPU is user and system time of the client's process, all threads, less what the same
command costs for a catalogue of a single name (start-up: imports, opening the state, the
durable queue, the artefact), which is stated. Throughput is requests by the simulator's
own span. Ratios are medians of the ratios of neighbouring runs, so that a slow minute of
the machine hits both sides.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import catalogues
from bench.processes import VENTIL, Cost, Simulator, measured, simulator
from bench.results import digits, goal, median, run, table
from ventil.core.plan import plan
from ventil.providers.npm_downloads import batches

MOST_CPU = 1.5
LEAST_THROUGHPUT = 0.7


@dataclass(frozen=True, slots=True)
class Workload:
    """A catalogue and how many requests go at once."""

    name: str
    records: int
    scoped: float
    concurrency: int
    pairs: int
    starts: int = 3


WORKLOADS = (
    Workload("20,000 single requests, 10 at once", 20_000, 1.0, 10, 5),
    Workload("20,000 single requests, 50 at once", 20_000, 1.0, 50, 5),
    Workload("40,000 names, half in bulk, 10 at once", 40_000, 0.495, 10, 5),
)
QUICK = (Workload("300 names, half in bulk, 10 at once", 300, 0.495, 10, 1, 1),)


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of one client. `span_s`: from the first to the last request."""

    cost: Cost
    requests: int
    span_s: float


class Bench:
    """One workload in a folder of its own, against a running simulator."""

    def __init__(self, work: Workload, folder: Path, sim: Simulator, names: Path) -> None:
        self.work, self.folder, self.sim = work, folder, sim
        self.names = names
        (folder / "ventil.toml").write_text(
            f'[providers.npm-downloads]\nbase_url = "{sim.url}"\nquotas = []\n'
            f"max_in_flight = {work.concurrency}\n"
        )
        self._number = 0

    def bare(self, names: Path) -> Turn:
        """The bare loop."""
        listed = folder_file(self.folder, "batches.json")
        planned = plan(names.read_text().split(), batches=batches)
        asked = [batch.keys for chunk in planned.chunks for batch in chunk.batches]
        listed.write_text(json.dumps(asked))
        output = folder_file(self.folder, "bare.json")
        return self._turn(
            sys.executable,
            "-m",
            "bench.bare",
            self.sim.url,
            str(listed),
            str(self.work.concurrency),
            str(output),
        )

    def ventil(self, names: Path) -> Turn:
        """Ventil, as a person runs it, with a new state."""
        self._number += 1
        state = f"sqlite:///{self.folder}/state{self._number}/ventil.sqlite"
        output = folder_file(self.folder, "stats.json")
        return self._turn(
            *VENTIL,
            *("stats", str(names), "-o", str(output), "--database", state, "--quiet"),
        )

    def _turn(self, *command: str) -> Turn:
        self.sim.reset()
        cost = measured(command, self.folder)
        report = self.sim.report()
        assert report["by_status"] == {"200": report["requests"]}, report
        return Turn(cost, report["requests"], report["lasted_s"])

    def sums(self) -> tuple[int, int]:
        """What the last runs of both found, summed up."""
        bare = json.loads(folder_file(self.folder, "bare.json").read_text())
        stats = json.loads(folder_file(self.folder, "stats.json").read_text())["packages"]
        ours = sum(entry["downloads"]["npm"] for entry in stats.values())
        return sum(bare.values()), ours


def folder_file(folder: Path, name: str) -> Path:
    """A file in *folder*."""
    return folder / name


def measure_workload(work: Workload) -> dict[str, Any]:
    """All turns of one workload, and what follows from them."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        packages = catalogues.synthetic(work.records, scoped=work.scoped)
        names, counts, total = catalogues.write(packages, folder)
        single = folder / "single.txt"
        with names.open() as file:
            single.write_text(next(line for line in file if line.startswith("@")))
        with simulator("unlimited", counts=counts) as sim:
            bench = Bench(work, folder, sim, names)
            starts = [(bench.bare(single), bench.ventil(single)) for _ in range(work.starts)]
            turns = [(bench.bare(names), bench.ventil(names)) for _ in range(work.pairs)]
            assert bench.sums() == (total, total), "not the simulator's numbers"
    requests = turns[0][0].requests
    for turn in (turn for pair in turns for turn in pair):
        assert turn.requests == requests, "the clients did not ask the same"
    return {
        "workload": work.name,
        "records": work.records,
        "requests": requests,
        "concurrency": work.concurrency,
        "pairs": work.pairs,
        **compared(starts, turns),
    }


def compared(starts: list[tuple[Turn, Turn]], turns: list[tuple[Turn, Turn]]) -> dict[str, Any]:
    """Medians of both sides and of the ratios within pairs; the first of a pair is bare."""
    result: dict[str, Any] = {}
    cpu: list[list[float]] = []
    rate: list[list[float]] = []
    for side, name in enumerate(("bare", "ventil")):
        start_s = median(pair[side].cost.cpu_s for pair in starts)
        cpu.append([1e6 * (p[side].cost.cpu_s - start_s) / p[side].requests for p in turns])
        rate.append([p[side].requests / max(p[side].span_s, 1e-9) for p in turns])
        result[name] = {
            "start_cpu_s": start_s,
            "start_elapsed_s": median(pair[side].cost.elapsed_s for pair in starts),
            "cpu_us_per_request": median(cpu[side]),
            "requests_per_s": median(rate[side]),
            "elapsed_s": median(pair[side].cost.elapsed_s for pair in turns),
            "peak_mb": median(pair[side].cost.peak_bytes / 1e6 for pair in turns),
        }
    result["cpu_ratio"] = median(b / a for a, b in zip(*cpu, strict=True))
    result["throughput_ratio"] = median(b / a for a, b in zip(*rate, strict=True))
    result["cpu_ratios"] = [digits(b / a, 3) for a, b in zip(*cpu, strict=True)]
    result["throughput_ratios"] = [digits(b / a, 3) for a, b in zip(*rate, strict=True)]
    return result


def measure(quick: bool) -> dict[str, Any]:
    """Measure every workload, print, and compare with the goals."""
    found = [measure_workload(work) for work in (QUICK if quick else WORKLOADS)]
    for one in found:
        table(
            f"{one['workload']}: {one['requests']:,} requests, {one['pairs']} pairs, medians",
            ("", "CPU us/request", "requests/s", "start-up CPU s", "whole s", "peak MB"),
            [
                (
                    name,
                    f"{one[name]['cpu_us_per_request']:.0f}",
                    f"{one[name]['requests_per_s']:.0f}",
                    f"{one[name]['start_cpu_s']:.2f}",
                    f"{one[name]['elapsed_s']:.1f}",
                    f"{one[name]['peak_mb']:.0f}",
                )
                for name in ("bare", "ventil")
            ]
            + [("ratio", one["cpu_ratio"], one["throughput_ratio"], "", "", "")],
        )
    print()
    goals = []
    for one in found:
        name = one["workload"]
        goals.append(goal(f"CPU per request, {name}", one["cpu_ratio"], MOST_CPU))
        words = f"throughput, {name}"
        ratio = one["throughput_ratio"]
        goals.append(goal(words, ratio, LEAST_THROUGHPUT, least=True))
    return {"goals": goals, "workloads": found}


if __name__ == "__main__":
    run("cost", "What Ventil costs beside a bare aiohttp loop, per request.", measure)
