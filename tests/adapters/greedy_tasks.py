"""Tasks that misbehave, each in its way; run by workers, see test_workbench."""

from __future__ import annotations

import faulthandler
import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable


def echo(payload: bytes) -> bytes:
    """What it is given."""
    return payload


def spin(payload: bytes) -> bytes:
    """Never ends."""
    while True:
        pass


def sleep(payload: bytes) -> bytes:
    """Never ends, and spends nothing."""
    while True:
        time.sleep(60)


def backtrack(payload: bytes) -> bytes:
    """A regular expression that blows up, inside of the interpreter's C code."""
    re.match(r"(a+)+$", "a" * 64 + "b")
    return b""


def hoard(payload: bytes) -> bytes:
    """Takes memory until there is none."""
    held = []
    while True:
        held.append(bytearray(8 << 20))


def bomb(payload: bytes) -> bytes:
    """Unpacks without asking how much it will be."""
    return gzip.decompress(payload)


def pour(payload: bytes) -> bytes:
    """As many bytes as the payload says."""
    return bytes(int(payload))


def nest(payload: bytes) -> bytes:
    """Calls itself for ever."""
    return nest(payload)


def fault(payload: bytes) -> bytes:
    """Crashes the interpreter."""
    faulthandler._sigsegv()  # type: ignore[attr-defined]
    return b""


def vanish(payload: bytes) -> bytes:
    """Ends its process without a word."""
    os._exit(7)


def babble(payload: bytes) -> bytes:
    """Prints into what may be the channel, then answers."""
    os.write(1, b"D\0\0\0\0nonsense")
    print("and more")
    os.write(2, b"x" * 1_000_000) if payload else None
    return b"said"


def forge(payload: bytes) -> bytes:
    """Answers with bytes that are no frame, on every descriptor it finds."""
    for number in range(3, 16):
        try:
            os.write(number, b"\xff" * 64)
        except OSError:
            continue
    return b""


def environment(payload: bytes) -> bytes:
    """The names of the variables it sees, and its open descriptors."""
    descriptors = []
    for number in range(64):
        try:
            os.fstat(number)
        except OSError:
            continue
        descriptors.append(number)
    return repr((sorted(os.environ), descriptors, sys.flags.isolated)).encode()


def reach_out(payload: bytes) -> bytes:
    """Tries what tasks may not; says what it got away with."""
    done = []
    attempts: dict[str, Callable[[], object]] = {
        "socket": lambda: socket.create_connection(("127.0.0.1", 9)),
        "read": lambda: open("/etc/passwd").read(),  # noqa: SIM115
        "climb": lambda: open(os.path.dirname(os.__file__) + "/../../../etc/passwd").read(),  # noqa: SIM115
        "write": lambda: open("/dev/shm/ventil", "w"),  # noqa: SIM115, S108
        "low": lambda: os.open("/etc/passwd", os.O_RDWR),
        "run": lambda: subprocess.run(["true"], check=False),
        "system": lambda: os.system("true"),  # noqa: S605
        "kill": lambda: os.kill(os.getppid(), signal.SIGTERM),
        "fork": os.fork,
        "remove": lambda: os.remove(__file__),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except PermissionError:
            continue
        except OSError as error:
            done.append(f"{name}: {error}")
        else:
            done.append(name)
    return repr(done).encode()


def whoami(payload: bytes) -> bytes:
    """Its process id."""
    return str(os.getpid()).encode()
