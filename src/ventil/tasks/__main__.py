"""A worker process: reads tasks from stdin, writes results to stdout, trusts no input.

Started by `ventil.adapters.workbench` as `python -I`, with an empty environment and no
descriptors but its three pipes. It ends when stdin ends, so it never outlives its parent;
on Linux the kernel also kills it when the parent dies in the middle of a task.

Frames, all numbers big-endian::

    to the worker    name length (u16), payload length (u64), CPU seconds (f64),
                     memory in bytes (u64), output in bytes (u64); name; payload
    from the worker  status (one byte), length (u64); result or words

Status: ``R`` ready (the words say whether the kernel keeps memory limits: "1" or "0"),
``D`` done, ``F`` the task failed (words), ``M`` out of memory, ``O`` too much output (the
words are its length). After ``M`` the process ends: what a task that ran out of memory
leaves behind is not to be built upon.
"""

from __future__ import annotations

import contextlib
import faulthandler
import mmap
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable

from ventil.tasks.registry import Task, find

REQUEST = struct.Struct("!HQdQQ")
ANSWER = struct.Struct("!cQ")
_DESCRIPTORS = 64  # room for importing; the audit hook below says what may be opened
_PR_SET_PDEATHSIG = 1
_LONGEST_WORDS = 2_000

# Nothing that a task does needs these. Names of audit events, docs.python.org/3/library/
# audit_events.html (read 2026-11); a name ending in a dot stands for all that begin so.
_REFUSED = (
    "ctypes.", "fcntl.", "ftplib.", "http.client.", "os.", "pty.", "shutil.", "smtplib.",
    "socket.", "sqlite3.", "subprocess.", "syslog.", "tempfile.", "urllib.", "webbrowser.",
    "winreg.",
)  # fmt: skip
_ALLOWED = frozenset(  # for imports; they tell names, and open nothing
    {"os.listdir", "os.scandir", "os.walk", "os.getxattr", "os.listxattr"}
)


def _read(count: int) -> bytearray:
    """So many bytes of stdin; ends the process when there are no more."""
    data = bytearray(count)
    view, at = memoryview(data), 0
    while at < count:
        got = os.readv(0, [view[at:]])
        if not got:
            os._exit(0)  # the parent has closed the pipe, or is dead
        at += got
    return data


def _write(channel: int, status: bytes, body: bytes) -> None:
    rest = memoryview(ANSWER.pack(status, len(body)) + body)
    while rest:
        rest = rest[os.write(channel, rest) :]


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent, where it can."""
    if sys.platform == "linux":
        with contextlib.suppress(Exception):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)  # it died before


def _limit(kind: int, value: int) -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (value, value))


def _memory_kinds() -> list[int]:
    return [resource.RLIMIT_AS, resource.RLIMIT_DATA]


def _mapped() -> int:
    """Bytes of address space in use; 0 where the system does not say."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[0]) * mmap.PAGESIZE
    return 0


def _allow(bytes_more: int | None) -> None:
    """Let memory grow by so much from here, or without bound (None)."""
    base = _mapped() if bytes_more is not None else 0
    for kind in _memory_kinds():
        hard = resource.getrlimit(kind)[1]
        soft = hard
        if bytes_more is not None:
            soft = base + bytes_more
            if hard != resource.RLIM_INFINITY:
                soft = min(soft, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (soft, hard))


def _memory_is_limited() -> bool:
    """Whether the kernel refuses what exceeds a limit: Linux does, macOS does not."""
    _allow(64 << 20)
    try:
        mmap.mmap(-1, 512 << 20).close()
    except (OSError, MemoryError):
        return True
    else:
        return False
    finally:
        _allow(None)


def _guard(roots: tuple[str, ...]) -> Callable[[str, tuple[object, ...]], None]:
    """A hook that lets tasks read what can be imported, and nothing else of the outside."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode = arguments[0], arguments[1]
            reads = mode is None or (isinstance(mode, str) and not set(mode) & set("wax+"))
            flags = arguments[2] if len(arguments) > 2 else 0
            reads = reads and not (
                isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
            if isinstance(path, bytes):
                path = os.fsdecode(path)
            inside = isinstance(path, str) and (
                os.path.abspath(path).startswith(roots) or path == "/proc/self/statm"
            )
            if not (reads and inside):
                raise PermissionError(f"a task may not open {path!r:.200}")
        elif event.startswith(_REFUSED) and event not in _ALLOWED:
            raise PermissionError(f"a task may not do {event}")

    return hook


def _do(
    name: str, payload: bytes, cpu_s: float, memory: int, output: int
) -> tuple[bytes, bytes]:
    """The status and body of the answer to one task."""
    try:
        task: Task = find(name)
        _allow(memory)
        # Sends SIGPROF, which ends the process, when this much processor time is spent.
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        try:
            result = task(payload)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            _allow(None)
    except MemoryError:
        return b"M", b""
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        return b"F", words[:_LONGEST_WORDS].encode("utf-8", "replace")
    if len(result) > output:
        return b"O", str(len(result)).encode()
    return b"D", result


def main(parent: int) -> None:
    """Answer tasks until stdin ends."""
    _die_with(parent)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        # A terminal's Ctrl-C is the parent's to answer; it ends its workers itself.
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    channel = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # what a library prints must not become part of a frame
    os.close(null)
    os.set_blocking(2, False)
    faulthandler.enable()
    limited = _memory_is_limited()
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, _DESCRIPTORS)
    sys.dont_write_bytecode = True
    roots = tuple(os.path.join(os.path.abspath(path), "") for path in sys.path if path)
    sys.addaudithook(_guard(roots))
    _write(channel, b"R", b"1" if limited else b"0")
    while True:
        length, size, cpu_s, memory, output = REQUEST.unpack(_read(REQUEST.size))
        name = _read(length).decode()
        status, body = b"M", b""
        with contextlib.suppress(MemoryError):
            _allow(memory + size)
            payload = bytes(_read(size))
            status, body = _do(name, payload, cpu_s, memory, output)
            del payload
        _allow(None)
        _write(channel, status, body)
        if status == b"M":
            os._exit(0)
        del body


if __name__ == "__main__":
    main(int(sys.argv[1]))
