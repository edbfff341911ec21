"""The workbench: untrusted bytes are worked on in processes that may fail.

What strangers wrote is parsed, unpacked and rendered outside of this process, so that a
text made to eat memory or time, or to crash the interpreter, costs one record and not the
run. A worker is a fresh interpreter (`python -I -m ventil.tasks`; nothing is inherited
but its three pipes, no environment, so no secrets), and it lives under limits:

* processor time: a timer of the kernel ends it (``ITIMER_PROF``);
* time: it is killed from here, whatever it does;
* memory: ``RLIMIT_AS`` and ``RLIMIT_DATA``, counted from what it has before the task.
  Linux keeps them. macOS accepts and ignores them; each worker says whether its limits
  hold, and where they do not its resident size is looked at every `_LOOK_S` seconds from
  here, which stops a greedy task, a little later;
* output: told by its length before it is sent, and never read beyond the limit;
* it can write no file (``RLIMIT_FSIZE`` 0), leaves no core, and an audit hook refuses
  sockets, programs, and files other than what it imports.

A worker that breaks a limit or answers nonsense is killed, and the next task gets a new
one; so is one whose caller is cancelled, and one that has done its number of tasks. Workers
end when their stdin ends: none outlives this process, even after ``kill -9``.

It belongs to one event loop, and measures real time: the tasks are real processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ventil.errors import Crashed, TooLong, TooMuchMemory, TooMuchOutput, WorkbenchError

MB: Final = 1_000_000

_REQUEST = struct.Struct("!HQdQQ")  # as in ventil.tasks.__main__, which shares no code with us
_ANSWER = struct.Struct("!cQ")
_START_S = 60.0  # a loaded machine may take long to start an interpreter
_LOOK_S = 0.25
_LAST_S = 2.0  # what closes its pipes without ending is killed after that
_LONGEST_WORDS = 2_000
_SOURCE = str(Path(__file__).resolve().parents[2])  # where this package is
_KEEP = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")  # the interpreter's own needs


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may use.

    `cpu_s`: seconds of processor time; `wall_s`: seconds until its answer, which on a
    loaded machine are many more. `memory`: bytes beyond those of the idle worker and the
    payload. `output`: bytes of the result. All above 0.
    """

    cpu_s: float = 10.0
    wall_s: float = 60.0
    memory: int = 512 * 1024 * 1024
    output: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if not (self.cpu_s > 0 and self.wall_s > 0 and self.memory > 0 and self.output > 0):
            raise ValueError(f"limits must be above 0: {self}")


class Workbench:
    """Runs tasks by name, each on bytes and giving bytes, in at most `processes` workers.

    `limits` hold where `run` is given none. `tasks_each`: so many tasks a worker does
    before a new one takes its place. Workers are started when there is need of them.
    `folders`: more places to import tasks from. `trust_kernel` False: the size of workers
    is looked at from here even where the kernel keeps memory limits.
    Use it as ``async with Workbench() as workbench``, or call `close`.
    """

    def __init__(
        self,
        *,
        processes: int = 2,
        tasks_each: int = 1_000,
        limits: Limits | None = None,
        folders: Sequence[str] = (),
        trust_kernel: bool = True,
    ) -> None:
        if processes < 1 or tasks_each < 1:
            raise ValueError("processes and tasks_each must be at least 1")
        self._limits = limits or Limits()
        self._tasks_each = tasks_each
        self._folders = tuple(folders)
        self._trust_kernel = trust_kernel
        self._free = asyncio.Semaphore(processes)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self.started = 0
        """So many workers were started so far."""

    async def run(self, task: str, payload: bytes, /, *, limits: Limits | None = None) -> bytes:
        """The result of *task* on *payload*.

        Raises TooLong, TooMuchMemory or TooMuchOutput when a limit is broken, and Crashed
        when the task raised an error or its worker ended. Waiting for a free worker does
        not count. Cancelling it kills the worker.
        """
        limits = limits or self._limits
        if len(payload) > limits.memory:
            raise TooMuchMemory(
                f"{task}: {len(payload) / MB:,.0f} MB to work on, more than the "
                f"{limits.memory / MB:,.0f} MB of memory allowed",
                hint="it is left alone; raise the limit if you trust where it comes from",
            )
        async with self._free:
            if self._closed:
                raise Crashed(f"{task}: the workbench is closed")
            worker = self._idle.pop() if self._idle else None
            if worker is not None and not worker.alive:
                self._end(worker)
                worker = None
            worker = worker or await self._start(task)
            self._busy.add(worker)
            keep = False
            try:
                result = await worker.do(task, payload, limits)
                keep = worker.done < self._tasks_each
                return result
            except _Said as said:
                keep = said.keep and worker.done < self._tasks_each
                raise said.error from None
            finally:
                self._busy.discard(worker)
                if keep and not self._closed:
                    self._idle.append(worker)
                else:
                    self._end(worker)

    async def _start(self, task: str) -> _Worker:
        self.started += 1
        try:
            return await _Worker.start(self._folders, trust_kernel=self._trust_kernel)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            raise Crashed(
                f"{task}: no worker process could be started: {error}",
                hint=f"try: {sys.executable} -I -m ventil.tasks",
            ) from error

    def _end(self, worker: _Worker) -> None:
        """Kill a worker now, and have it reaped."""
        worker.kill()
        task = asyncio.ensure_future(worker.gone())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End all workers, busy ones too."""
        self._closed = True
        for worker in (*self._idle, *self._busy):
            self._end(worker)
        self._idle.clear()
        while self._ending:
            await asyncio.wait(self._ending)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class _Said(Exception):
    """An error to raise, and whether the worker can go on."""

    def __init__(self, error: WorkbenchError, *, keep: bool) -> None:
        super().__init__()
        self.error, self.keep = error, keep


class _Worker:
    """One process, and the pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process, errors: int) -> None:
        self._process = process
        self._errors = errors
        self._limited = True
        self.done = 0

    @classmethod
    async def start(cls, folders: tuple[str, ...], *, trust_kernel: bool) -> _Worker:
        """A worker that is ready. Raises OSError, EOFError, TimeoutError or ValueError."""
        places = [_SOURCE, *folders]
        # -I leaves out PYTHONPATH and the working folder: where this package is must be told.
        code = (
            f"import sys, runpy; sys.path[:0] = [p for p in {places!r} if p not in sys.path];"
            f" sys.argv[1:] = ['{os.getpid()}'];"
            " runpy.run_module('ventil.tasks', run_name='__main__', alter_sys=True)"
        )
        errors, end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-X", "utf8", "-c", code,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=end,
                env={name: os.environ[name] for name in _KEEP if name in os.environ},
                cwd=os.sep,
                start_new_session=True,  # a terminal's Ctrl-C is not for workers
            )  # fmt: skip
        except BaseException:
            os.close(errors)
            raise
        finally:
            os.close(end)
        os.set_blocking(errors, False)
        worker = cls(process, errors)
        try:
            async with asyncio.timeout(_START_S):
                status, words = await worker._answer(_LONGEST_WORDS)
            if status != b"R":
                raise ValueError(f"it began with {status!r}")
        except asyncio.IncompleteReadError as error:
            words_s = await worker._last_words()
            worker.kill()
            await worker.gone()
            raise EOFError(words_s or "it ended at once") from error
        except BaseException:
            worker.kill()
            await asyncio.shield(worker.gone())
            raise
        worker._limited = trust_kernel and words == b"1"
        return worker

    @property
    def alive(self) -> bool:
        """Whether the process has not ended, as far as is known."""
        return self._process.returncode is None

    async def do(self, task: str, payload: bytes, limits: Limits) -> bytes:
        """The result of one task; raises _Said for whatever else comes."""
        self.done += 1
        watch = None if self._limited else asyncio.ensure_future(self._watch(limits.memory))
        try:
            async with asyncio.timeout(limits.wall_s):
                status, body = await self._exchange(task, payload, limits)
        except TimeoutError:
            error: WorkbenchError = TooLong(
                f"{task}: no answer after {limits.wall_s:g} s",
                hint="the bytes are marked and left; nothing else is held up",
            )
            raise _Said(error, keep=False) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            if watch is not None and watch.done() and not watch.cancelled():
                raise _Said(_too_much_memory(task, limits), keep=False) from None
            raise _Said(await self._ended(task, limits), keep=False) from None
        finally:
            if watch is not None:
                watch.cancel()
        return self._result(task, status, body, limits)

    def _result(self, task: str, status: bytes, body: bytes, limits: Limits) -> bytes:
        if status == b"D":
            return body
        words = body[:_LONGEST_WORDS].decode("utf-8", "replace")
        if status == b"M":
            raise _Said(_too_much_memory(task, limits), keep=False)
        if status == b"O":
            raise _Said(_too_much_output(task, limits), keep=True)
        if status == b"F":
            raise _Said(Crashed(f"{task}: {words}"), keep=True)
        raise _Said(Crashed(f"{task}: its worker answered nonsense"), keep=False)

    async def _exchange(self, task: str, payload: bytes, limits: Limits) -> tuple[bytes, bytes]:
        name = task.encode()
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was opened with a pipe
        head = _REQUEST.pack(
            len(name), len(payload), limits.cpu_s, limits.memory, limits.output
        )
        stdin.write(head + name)
        stdin.write(payload)
        await stdin.drain()
        status, body = await self._answer(limits.output)
        return status, body

    async def _answer(self, most: int) -> tuple[bytes, bytes]:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it was opened with a pipe
        status, length = _ANSWER.unpack(await stdout.readexactly(_ANSWER.size))
        if length > max(most, _LONGEST_WORDS):
            return b"?", b""  # it was told the limit, and says so itself when it is broken
        return status, await stdout.readexactly(length)

    async def _ended(self, task: str, limits: Limits) -> WorkbenchError:
        """Why the process ended in the middle of a task."""
        # To signal a process that has just died takes its status away from asyncio, so it
        # gets a moment first; it may also have closed its pipes only.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._process.wait()), _LAST_S)
        self._process_kill()
        code = await self._process.wait()
        if code == -signal.SIGPROF:
            return TooLong(
                f"{task}: more than {limits.cpu_s:g} s of processor time",
                hint="the bytes are marked and left; nothing else is held up",
            )
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        words = await self._last_words()
        return Crashed(f"{task}: its worker ended {how}{': ' if words else ''}{words}")

    async def _last_words(self) -> str:
        """The last line that it wrote to stderr, shortened; mostly nothing."""
        with contextlib.suppress(OSError):
            text = os.read(self._errors, 65_536).decode("utf-8", "replace")
            lines = [line for line in text.splitlines() if line.strip()]
            fatal = [line for line in lines if line.startswith("Fatal")]
            return (fatal or lines or [""])[-1][:300]
        return ""

    async def _watch(self, memory: int) -> None:
        """Kill it once its resident size has grown by *memory*; for kernels that do not."""
        first: int | None = None
        while self.alive:
            size = await _resident(self._process.pid)
            first = size if first is None else first
            if size > first + memory:
                self._process_kill()
                return
            await asyncio.sleep(_LOOK_S)
        await asyncio.Event().wait()  # it ended by itself: that is not for us to tell

    def _process_kill(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def kill(self) -> None:
        """End the process, and let go of what it wrote to stderr."""
        self._process_kill()
        if self._errors >= 0:
            os.close(self._errors)
            self._errors = -1

    async def gone(self) -> None:
        """Wait until the process has ended, and let go of its pipes."""
        await self._process.wait()
        # Nothing public closes the pipe of an output that nobody reads to its end.
        self._process._transport.close()  # type: ignore[attr-defined]


def _too_much_memory(task: str, limits: Limits) -> TooMuchMemory:
    return TooMuchMemory(
        f"{task}: more than {limits.memory / MB:,.0f} MB of memory",
        hint="the bytes are marked and left; nothing else is held up",
    )


def _too_much_output(task: str, limits: Limits) -> TooMuchOutput:
    return TooMuchOutput(
        f"{task}: a result larger than {limits.output / MB:,.0f} MB",
        hint="the bytes are marked and left; nothing else is held up",
    )


async def _resident(pid: int) -> int:
    """The resident size of a process in bytes; 0 when it cannot be told."""
    with contextlib.suppress(OSError, ValueError):
        statm = Path(f"/proc/{pid}/statm").read_bytes()  # noqa: ASYNC240 - no disk behind it
        pages = int(statm.split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):
        ps = await asyncio.create_subprocess_exec(
            "ps", "-o", "rss=", "-p", str(pid), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await ps.communicate()
        return int(said) * 1024
    return 0
