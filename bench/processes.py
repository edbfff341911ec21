"""The two sides of a measurement as processes of their own: a simulator and a client.

The client is measured from outside, by what the kernel says when it ends (`wait4`): user
and system time of all its threads, peak resident memory, elapsed time. Nothing of it runs
in the process that measures.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

VENTIL = (sys.executable, "-c", "from ventil.cli.main import main; main()")
"""What the `ventil` script does, without the need that it is installed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process cost: `cpu_s` is user and system time, `peak_bytes` resident memory.

    A peak below `smallest_peak()` cannot be seen: Linux counts what a process held before
    exec, that is the size of this one.
    """

    exit_code: int
    elapsed_s: float
    cpu_s: float
    peak_bytes: int


def smallest_peak() -> int:
    """This process's own peak of resident memory, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def environment() -> dict[str, str]:
    """This process's environment, with our sources and without settings of Ventil's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VENTIL_")}
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    return {**kept, "PYTHONPATH": path, "XDG_CONFIG_HOME": os.devnull}


def measured(command: Sequence[str], folder: Path, *, expected: tuple[int, ...] = (0,)) -> Cost:
    """Run *command* in *folder* to its end. Raises RuntimeError with what it said."""
    with tempfile.TemporaryFile() as said:
        start_s = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=said, stderr=subprocess.STDOUT
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        elapsed_s = time.perf_counter() - start_s
        process.returncode = code = os.waitstatus_to_exitcode(status)
        if code not in expected:
            said.seek(0)
            text = said.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)}: exit code {code}\n{text}")
    return Cost(
        exit_code=code,
        elapsed_s=elapsed_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_bytes=usage.ru_maxrss * 1024,
    )


class Simulator:
    """A simulated provider in another process, asked over its control requests."""

    def __init__(self, url: str) -> None:
        self.url = url

    def report(self) -> dict[str, Any]:
        """What it counted since the start or the last reset; see `ventil.sim.npm.Report`."""
        with urllib.request.urlopen(f"{self.url}/-/sim/report?names=0", timeout=60) as answer:  # noqa: S310
            return dict(json.load(answer))

    def reset(self) -> None:
        """Forget everything counted, and every quota and ban."""
        request = urllib.request.Request(f"{self.url}/-/sim/reset", method="POST")  # noqa: S310
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310


@contextlib.contextmanager
def simulator(
    scenario: str, *, counts: Path | None = None, speed: float = 1.0
) -> Iterator[Simulator]:
    """A simulator for *scenario* (a name or a file), ready to be asked; stopped at the end."""
    command = [sys.executable, "-m", "ventil.sim.npm", scenario, "--speed", str(speed)]
    if counts is not None:
        command += ["--counts", str(counts), "--counts-are", "last-week"]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("listening "):
            raise RuntimeError(f"the simulator did not start: {line!r}")
        yield Simulator(line.split()[1])
    finally:
        process.terminate()
        process.communicate()
