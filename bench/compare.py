"""Ventil beside the client it set out to replace, against npm's limit as of 2026.

    python -m bench.compare [--quick]

Two providers, simulated in another process: the `npm` scenario (34 requests in any 60
seconds, an hour's ban for more, answers in 0.3 s, no Retry-After), and one without any
limit where one package is answered 500 for ever. On each of them the original behaviour
(`bench/original.py`) and Ventil with its shipped settings fetch the same catalogue into an
empty folder, each in a process of its own, with quotas and bans forgotten in between.

Time is accelerated: the provider's clock runs `SPEED` times as fast, and what either
client knows of time is divided by the same number (Ventil's quota, cooldown, timeout and
retry delay; the original's timeout and retry delay). "Provider time" is what the
provider's clock says from the first request to the last; real time includes start-up.
Ventil's guard against uneven ways to the provider has a floor of 10 ms that cannot be
divided, so its provider time is overstated by some 8 % at twenty times the speed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import catalogues
from bench.processes import VENTIL, Simulator, measured, simulator
from bench.results import digits, goal, run, table
from ventil.providers.npm_downloads import PROFILE

SPEED = 20.0
QUICK_SPEED = 100.0


@dataclass(frozen=True, slots=True)
class Bench:
    """A catalogue in a folder; `counts` are the right numbers."""

    folder: Path
    counts: dict[str, int]
    speed: float

    def original(self, sim: Simulator) -> dict[str, Any]:
        """The original behaviour."""
        names = self.folder / "names.json"
        output = self.folder / "original.json"
        command = (sys.executable, "-m", "bench.original", sim.url, str(names), str(output))
        return self._turn(sim, (*command, "--speed", str(self.speed)), output, "original")

    def ventil(self, sim: Simulator) -> dict[str, Any]:
        """Ventil with its shipped settings, divided by the speed."""
        output = self.folder / "ventil.json"
        state = tempfile.mkdtemp(dir=self.folder)
        settings = self.folder / "ventil.toml"
        settings.write_text(self._settings(sim))
        command = (
            *(*VENTIL, "stats", str(self.folder / "names.json"), "-o", str(output)),
            *("--config", str(settings), "--database", f"sqlite:///{state}/ventil.sqlite"),
            *("--tolerate", "5%", "--quiet"),
        )
        return self._turn(sim, command, output, "ventil")

    def _settings(self, sim: Simulator) -> str:
        quotas = []
        for text in PROFILE.quotas:
            limit, _, unit = text.partition("/")
            assert unit == "s", "the shipped quota is per second"
            quotas.append(f"{limit}/{1000 / self.speed:g}ms")
        return (
            f'[providers.npm-downloads]\nbase_url = "{sim.url}"\n'
            f"quotas = {json.dumps(quotas)}\n"
            f"max_in_flight = {PROFILE.max_in_flight}\n"
            f'cooldown = "{PROFILE.cooldown_s / self.speed:g}s"\n'
            f'timeout = "{PROFILE.timeout_s / self.speed:g}s"\n'
            f'[run]\nretry_delay = "{300 / self.speed:g}s"\n'
        )

    def _turn(
        self, sim: Simulator, command: tuple[str, ...], output: Path, client: str
    ) -> dict[str, Any]:
        output.unlink(missing_ok=True)
        sim.reset()
        cost = measured(command, self.folder, expected=(0, 1, 3))
        seen = sim.report()
        published: dict[str, Any] = {}
        if output.exists():
            published = json.loads(output.read_text())["packages"]
        for name, entry in published.items():
            assert entry["downloads"]["npm"] == self.counts[name], name
        return {
            "client": client,
            "exit_code": cost.exit_code,
            "published": len(published),
            "share": digits(len(published) / len(self.counts)),
            "requests": seen["requests"],
            "throttled": seen["throttled"],
            "bans": seen["bans"],
            "into_the_ban": seen["during_ban"],
            "provider_s": digits(seen["lasted_s"]),
            "real_s": digits(cost.elapsed_s),
        }


def measure(quick: bool) -> dict[str, Any]:
    """Both clients against both providers."""
    speed = QUICK_SPEED if quick else SPEED
    packages, source = catalogues.hub()
    if quick:
        packages = packages[:: len(packages) // 80]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _, counts, _ = catalogues.write(packages, folder)
        names = [name for name, _ in packages]
        (folder / "names.json").write_text(json.dumps(names))
        broken = next(name for name in names[len(names) // 2 :] if name.startswith("@"))
        scenarios = {
            "npm's limit of 2026": {"base": "npm", "latency_s": 0.3},
            "no limit, one package always 500": {
                "base": "unlimited",
                "latency_s": 0.3,
                "behaviours": [{"kind": "fail", "status": 500, "names": [broken]}],
            },
        }
        bench = Bench(folder, dict(packages), speed)
        rows = []
        for number, (title, scenario) in enumerate(scenarios.items()):
            played = folder / f"scenario{number}.json"
            played.write_text(json.dumps(scenario))
            with simulator(str(played), counts=counts, speed=speed) as sim:
                rows += [{"provider": title, **bench.original(sim)}]
                rows += [{"provider": title, **bench.ventil(sim)}]
    table(
        f"{len(packages)} packages ({source}), time {speed:g} times as fast",
        (
            *("", "client", "published", "requests", "into the ban", "bans"),
            *("provider time", "real time"),
        ),
        [
            (
                *(row["provider"], row["client"], f"{100 * row['share']:.1f} %"),
                *(row["requests"], row["into_the_ban"], row["bans"]),
                *(f"{row['provider_s']:.0f} s", f"{row['real_s']:.1f} s"),
            )
            for row in rows
        ],
    )
    print()
    limit, broken_one = rows[1], rows[3]
    return {
        "speed": speed,
        "catalogue": source,
        "packages": len(packages),
        "goals": [
            goal("share published under npm's limit", limit["share"], 1.0, least=True),
            goal("bans under npm's limit", limit["bans"], 0),
            goal(
                "share published with one package broken",
                broken_one["share"],
                1 - 1.5 / len(packages),
                least=True,
            ),
        ],
        "rows": rows,
    }


if __name__ == "__main__":
    run("compare", "Ventil beside the client it set out to replace.", measure)
