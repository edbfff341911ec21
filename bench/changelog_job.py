"""The changelog job at scale: requests per package, what kills cost, what a second look costs.

A catalogue of a thousand real names, whose metadata, archives, listings and texts simulated
registries and code hosts serve, traps included. The command is killed (SIGKILL) at points
all over the run and given again until it finishes; the same packages in an undisturbed run
say what was asked twice. Then: the same command again, a look at everything anew
(`--refresh`, which is what the next week does), and that again after a tenth of the
packages had a new release.

What is counted is the hosts' own count. `python -m bench.changelog_job [--quick]`
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.processes import ROOT
from bench.results import digits, goal, run, table
from ventil.sim.hosts import HostsSim, World, build
from ventil.sim.npm.clock import SystemClock

PACKAGES, QUICK = 1_000, 40
SPEED = 100.0
IN_FLIGHT = 4
TOKEN = "sim-token"  # noqa: S105 - of a simulation
POINTS = ("steps.after:20", "send.before:700", "ledger.after:60", "send.after:900",
          "steps.before:25", "ledger.before:80", "artefact.written:4000")  # fmt: skip
QUICK_POINTS = ("steps.after:3", "send.before:30", "ledger.after:4", "artefact.written:50")


class Hosts:
    """The simulated hosts in a thread of this process."""

    def __init__(self, world: World) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._sim = HostsSim(world, clock=SystemClock(SPEED))
        self._wait(self._sim.__aenter__())

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def asked(self) -> Counter[tuple[str, str]]:
        """How often each host was asked each question."""

        async def count() -> Counter[tuple[str, str]]:
            books = self._sim.hosts.books
            return Counter(
                {
                    (name, target): n
                    for name in books
                    for target, n in books[name].targets.items()
                }
            )

        found: Counter[tuple[str, str]] = self._wait(count())
        return found

    @property
    def requests(self) -> int:
        """How many requests all hosts got."""

        async def count() -> int:
            return sum(self._sim.hosts.requests.values())

        return int(self._wait(count()))

    def furnish(self, folder: Path, purls: list[str]) -> None:
        """Settings that point here, and the catalogue."""
        lines = ["[run]", 'retry_delay = "1s"']
        for name, url in self._sim.urls.items():
            if name != "pypi-files":
                lines += [f"[providers.{name}]", f'base_url = "{url}"', "quotas = []"]
                lines += [f"max_in_flight = {IN_FLIGHT}", 'cooldown = "1s"']
            if name == "github":
                lines.append('credential = "env:SIM_TOKEN"')
        (folder / "ventil.toml").write_text("\n".join(lines) + "\n")
        (folder / "packages.txt").write_text("\n".join(purls) + "\n")

    def close(self) -> None:
        """End the servers."""
        self._wait(self._sim.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)


@dataclass
class Job:
    """One folder in which the command is given."""

    hosts: Hosts
    folder: Path
    words: tuple[str, ...] = ("changelog", "run", "packages.txt", "-o", "site", "--quiet")
    took_s: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    def give(self, *more: str, crash_at: str = "") -> tuple[int, Counter[tuple[str, str]]]:
        """Give the command; its exit code, and what the hosts were asked meanwhile."""
        before, requests = self.hosts.asked(), self.hosts.requests
        environ = {k: v for k, v in os.environ.items() if not k.startswith("VENTIL_")}
        environ |= {"PYTHONPATH": str(ROOT / "src"), "SIM_TOKEN": TOKEN}
        if crash_at:
            environ["VENTIL_CRASH_AT"] = crash_at
        began_s = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "ventil.cli.main", *self.words, *more],
            cwd=self.folder,
            env=environ,
            check=False,
        )
        self.took_s.append(time.monotonic() - began_s)
        self.requests.append(self.hosts.requests - requests)
        if ended.returncode not in (0, -9):
            raise RuntimeError(f"{more}: ended with {ended.returncode}")
        return ended.returncode, self.hosts.asked() - before

    def report(self) -> dict[str, Any]:
        """The report beside the site."""
        return dict(json.loads((self.folder / "site" / "report.json").read_text()))

    def pages(self) -> dict[str, int]:
        """Every file of the site, and when it was written."""
        site = self.folder / "site"
        return {str(p.relative_to(site)): p.stat().st_mtime_ns for p in site.rglob("*.*")}


def measure(quick: bool) -> dict[str, Any]:
    """All of it."""
    size = QUICK if quick else PACKAGES
    world = build(size, seed=11)
    packages = list(world.packages.values())
    purls = [package.purl for package in packages]
    hosts = Hosts(world)
    rows: list[list[object]] = []
    try:
        with tempfile.TemporaryDirectory() as place:
            plain, killed = (Job(hosts, Path(place, name)) for name in ("plain", "killed"))
            for job in (plain, killed):
                job.folder.mkdir()
                hosts.furnish(job.folder, purls)
            _, undisturbed = plain.give()
            found = plain.report()["counts"]
            there = sum(package.has_changelog for package in packages)
            rows.append(["a first run", plain.requests[-1], digits(plain.took_s[-1], 3)])

            kills, together = 0, Counter[tuple[str, str]]()
            for point in QUICK_POINTS if quick else POINTS:
                code, asked = killed.give(crash_at=point)
                together += asked
                kills += code == -9
                if code != -9:
                    break
            code, asked = killed.give()
            together += asked
            again = (together - undisturbed).total()
            missing = len(undisturbed.keys() - together.keys())
            rows.append([f"the same, killed {kills} times", sum(killed.requests), ""])
            if code or killed.report()["counts"]["ok"] != found["ok"]:
                raise RuntimeError(
                    f"the killed run ended with {code}: {killed.report()['counts']}"
                )

            plain.give()
            rows.append(
                ["the same command again", plain.requests[-1], digits(plain.took_s[-1], 3)]
            )
            before = plain.pages()
            plain.give("--refresh")
            after = plain.pages()
            rewritten = sum(after[p] != before.get(p) for p in after if p != "report.json")
            rows.append(["all looked at anew", plain.requests[-1], digits(plain.took_s[-1], 3)])
            changed = world.release(0.1, seed=12)
            plain.give("--refresh")
            words = f"anew, {len(changed)} of them changed"
            rows.append([words, plain.requests[-1], digits(plain.took_s[-1], 3)])
            requests = plain.report()["requests"]
    finally:
        hosts.close()
    table(f"{size} packages", ["", "requests", "s"], rows)
    return {
        "packages": size,
        "with_changelog": there,
        "found": found["ok"],
        "kills": kills,
        "asked_again_after_kills": again,
        "never_asked_after_kills": missing,
        "pages": len(after),
        "pages_rewritten_without_change": rewritten,
        "rows": [dict(zip(("what", "requests", "seconds"), row, strict=True)) for row in rows],
        "requests_of_the_last_look": requests,
        "goals": [
            goal(
                "share of changelogs found",
                min(1.0, digits(found["ok"] / there)),
                0.95,
                least=True,
            ),
            goal("requests per package, first run", digits(plain.requests[0] / size), 3.0),
            goal(
                "questions asked again per kill",
                digits(again / max(1, kills)),
                7.0 * IN_FLIGHT + 50,
            ),
            goal("requests of the same command again", plain.requests[1], 0),
            goal("requests per package, looked at anew", digits(plain.requests[2] / size), 1.5),
            goal("pages written anew where nothing changed", rewritten, 0),
        ],
    }


if __name__ == "__main__":
    run("changelog_job", (__doc__ or "").split("\n", 1)[0], measure)
