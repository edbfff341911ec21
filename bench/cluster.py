"""Workers, their Postgres and a simulated npm, each in processes of their own, and their cost.

CPU and memory are what the kernel says in /proc, so this is for Linux. Of Postgres it is all
of the server's processes together; the largest one's memory includes the shared buffers.
Statements are counted by the server itself (`pg_stat_statements`), every BEGIN and COMMIT,
heartbeat and look at the queue included.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.processes import ROOT, VENTIL, Simulator, environment

sys.path.append(str(ROOT / "tests"))  # a server from a wheel, as the tests start it

from postgres_server import PostgresServer

SHARED_BUFFERS_MB = 128
_TICKS = os.sysconf("SC_CLK_TCK")
_MOST_S = 120.0


def cpu_s(pid: int, *, ended_children: bool = False) -> float:
    """User and system time of a process so far; 0 when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    own = int(fields[11]) + int(fields[12])
    return (own + (int(fields[13]) + int(fields[14]) if ended_children else 0)) / _TICKS


def peak_mb(pid: int) -> float:
    """The largest resident memory of a process so far; 0 when there is none."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def forget_peak(pid: int) -> None:
    """Count the peak of a process anew from here on."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


@dataclass(slots=True)
class Cluster:
    """A working directory whose settings name a simulator and a shared database."""

    folder: Path
    server: PostgresServer
    sim: Simulator
    sim_pid: int
    url: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def settings(self, text: str, **provider: Any) -> None:
        """Write ventil.toml: settings of the provider, and *text* after them."""
        lines = [f'base_url = "{self.sim.url}"', "i_have_permission = true"]
        lines += [f"{key} = {value}" for key, value in provider.items()]
        body = "\n".join(["[providers.npm-downloads]", *lines, text])
        (self.folder / "ventil.toml").write_text(body + "\n")

    def start(self, *words: str, log: str = "commands.log") -> subprocess.Popen[bytes]:
        """A command, under way; what it says goes into a file."""
        with (self.folder / log).open("ab") as said:
            return subprocess.Popen(
                (*VENTIL, *words),
                cwd=self.folder,
                env={**environment(), "VENTIL_DATABASE_URL": self.url, "NO_COLOR": "1"},
                stdout=said,
                stderr=said,
            )

    def worker(self, *words: str) -> subprocess.Popen[bytes]:
        """A worker that has joined."""
        before = self.count("SELECT count(*) FROM ventil.worker")
        process = self.start("worker", *words, log="workers.log")
        self.workers.append(process)
        deadline_s = time.monotonic() + _MOST_S
        while self.count("SELECT count(*) FROM ventil.worker") == before:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError((self.folder / "workers.log").read_text()[-2000:])
            time.sleep(0.05)
        return process

    def rows(self, statement: str) -> list[Any]:
        """What the database says."""
        return self.server.run(statement, database=self.url)

    def count(self, statement: str) -> int:
        """One number that the database says."""
        [(number,)] = self.rows(statement)
        return int(number)

    def done(self, *words: str) -> None:
        """Run a command that has to succeed. Raises RuntimeError with what it said."""
        if self.start(*words).wait() != 0:
            raise RuntimeError((self.folder / "commands.log").read_text()[-2000:])

    def end_workers(self) -> None:
        """SIGTERM to all, and wait for them."""
        for process in self.workers:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.workers:
            process.wait(_MOST_S)
        self.workers.clear()

    # -- what it costs ---------------------------------------------------------------

    def server_pids(self) -> list[int]:
        """The server's processes: the first of them is the parent of the others."""
        parent = self.server.pid
        found = [parent]
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    text = Path(f"/proc/{name}/stat").read_text()
                    if int(text.rpartition(")")[2].split()[1]) == parent:
                        found.append(int(name))
        return found

    def spent(self) -> dict[str, float]:
        """CPU seconds so far of the workers, the server and the simulator."""
        parent, *others = self.server_pids()
        return {
            "workers": sum(cpu_s(process.pid) for process in self.workers),
            "postgres": cpu_s(parent, ended_children=True) + sum(map(cpu_s, others)),
            "simulator": cpu_s(self.sim_pid),
        }

    def forget_peaks(self) -> None:
        """Count everybody's peak of memory anew."""
        for pid in (*self.server_pids(), *(process.pid for process in self.workers)):
            forget_peak(pid)

    def peaks_mb(self) -> dict[str, float]:
        """The largest worker's and the largest server process's peak of resident memory."""
        return {
            "worker": max((peak_mb(process.pid) for process in self.workers), default=0.0),
            "postgres": max(map(peak_mb, self.server_pids())),
        }

    def size_mb(self) -> float:
        """The database on the disk."""
        return self.count("SELECT pg_database_size(current_database())") / 1e6

    def count_statements(self) -> None:
        """Count statements from here on."""
        self.rows("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        self.rows("SELECT pg_stat_statements_reset()")

    def statements(self) -> tuple[int, list[tuple[int, float, str]]]:
        """All since then; and (calls, ms in the server, text), the most frequent first."""
        rows = self.rows(
            "SELECT calls, total_exec_time, left(regexp_replace(query, '\\s+', ' ', 'g'), 90)"
            " FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid"
            " WHERE d.datname = current_database() AND query NOT LIKE '%pg_stat_statements%'"
            " AND query NOT LIKE '%pg_database_size%' ORDER BY calls DESC"
        )
        return sum(row[0] for row in rows), [(c, round(ms, 1), q) for c, ms, q in rows]


@contextlib.contextmanager
def cluster(
    folder: Path,
    *,
    counts: Path | None = None,
    scenario: str = "unlimited",
    latency_s: float | None = None,
    log: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:
    """One with an upgraded database and no worker yet; *settings* are of the server."""
    command: Sequence[str] = (sys.executable, "-m", "ventil.sim.npm", scenario)
    if counts is not None:
        command = (*command, "--counts", str(counts), "--counts-are", "last-week")
    if latency_s is not None:
        command = (*command, "--latency", str(latency_s))
    if log is not None:
        command = (*command, "--log", str(log))
    server = PostgresServer(
        shared_preload_libraries="pg_stat_statements",
        shared_buffers=f"{SHARED_BUFFERS_MB}MB",
        max_wal_size="2GB",
        **(settings or {}),
    )
    try:
        sim = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
        assert sim.stdout is not None
        line = sim.stdout.readline()
        if not line.startswith("listening "):
            raise RuntimeError(f"the simulator did not start: {line!r}")
        made = Cluster(folder, server, Simulator(line.split()[1]), sim.pid, server.database())
        try:
            made.settings("")
            made.done("db", "upgrade")
            yield made
        finally:
            for process in made.workers:
                if process.poll() is None:
                    process.kill()
                process.wait()
            sim.terminate()
            sim.communicate()
    finally:
        server.stop()
