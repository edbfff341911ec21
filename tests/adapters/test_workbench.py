"""The workbench: each limit with real processes, and the rest of a run never notices.

Limits are set so that the task breaks its own however slow the machine is: what never ends
is stopped by little, what must end has minutes.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import mmap
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ventil.adapters.workbench import Limits, Workbench
from ventil.changelog import isolation
from ventil.changelog.finder import archive
from ventil.changelog.finder.model import Unpack
from ventil.errors import (
    Crashed,
    TooLong,
    TooMuchMemory,
    TooMuchOutput,
    VentilError,
    WorkbenchError,
)

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MB = 1 << 20
AMPLE = Limits(cpu_s=120, wall_s=240)
TEXT = b"# Changelog\n\n## 1.1.0 (2020-02-02)\n- b\n\n## 1.0.0 (2020-01-01)\n- a\n"


def greedy(name: str) -> str:
    """A task of greedy_tasks.py."""
    return f"greedy_tasks:{name}"


@asynccontextmanager
async def bench(**arguments: Any) -> AsyncIterator[Workbench]:
    """A workbench that knows the greedy tasks."""
    options = {"processes": 1, "limits": AMPLE, "folders": [str(HERE)], **arguments}
    async with Workbench(**options) as workbench:
        yield workbench


def broken(task: str, payload: bytes = b"", **limits: Any) -> WorkbenchError:
    """The error that a task ends with; afterwards the workbench is as good as before."""

    async def main() -> WorkbenchError:
        async with bench() as workbench:
            with pytest.raises(WorkbenchError) as caught:
                await workbench.run(
                    task, payload, limits=Limits(**{"cpu_s": 120, "wall_s": 240, **limits})
                )
            assert await workbench.run(greedy("echo"), b"after") == b"after"
            return caught.value

    return asyncio.run(main())


def given(work: Callable[[Workbench], Coroutine[Any, Any, Any]], **arguments: Any) -> Any:
    """What `work` returns, given a workbench."""

    async def main() -> Any:
        async with bench(**arguments) as workbench:
            return await work(workbench)

    return asyncio.run(main())


def test_a_text_is_parsed_as_it_is_here() -> None:
    """The releases that come back are those that the parser finds."""

    async def work(workbench: Workbench) -> bytes:
        payload = isolation.parse_payload(TEXT, "CHANGELOG.md")
        return await workbench.run("changelog.parse", payload)

    releases = isolation.parsed(given(work))
    assert [(r.version, str(r.date), r.body) for r in releases] == [
        ("1.1.0", "2020-02-02", "- b"),
        ("1.0.0", "2020-01-01", "- a"),
    ]


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 5_000_003])
def test_bytes_of_any_size_come_and_go(size: int) -> None:
    """Empty, around a pipe's size, and many times it."""
    data = os.urandom(size)
    assert given(lambda workbench: workbench.run(greedy("echo"), data)) == data


def test_one_worker_does_task_after_task() -> None:
    """No process is started for each task, and a new one after the number agreed."""

    async def work(workbench: Workbench) -> list[bytes]:
        return [await workbench.run(greedy("whoami"), b"") for _ in range(6)]

    assert len(set(given(work))) == 1
    pids = given(work, tasks_each=2)
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4] == pids[5]


def test_processor_time_is_limited() -> None:
    """What spins is ended by the kernel, and the error says after what."""
    error = broken(greedy("spin"), cpu_s=0.2)
    assert isinstance(error, TooLong)
    assert "0.2 s of processor time" in str(error)
    assert error.hint


def test_a_regular_expression_that_blows_up_is_limited() -> None:
    """It cannot be interrupted from Python; the kernel can."""
    assert isinstance(broken(greedy("backtrack"), cpu_s=0.2), TooLong)


def test_time_is_limited() -> None:
    """What only waits spends no processor time, and is killed all the same."""
    error = broken(greedy("sleep"), wall_s=0.2)
    assert isinstance(error, TooLong)
    assert "no answer after 0.2 s" in str(error)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the size is watched")
def test_memory_is_limited() -> None:
    """What takes memory without end gets none beyond the limit."""
    error = broken(greedy("hoard"), memory=64 * MB)
    assert isinstance(error, TooMuchMemory)
    assert "67 MB" in str(error)


def test_memory_is_limited_where_the_kernel_does_not() -> None:
    """The worker's size is looked at from outside, and it is killed when too large."""

    async def work(workbench: Workbench) -> None:
        # The kernel's limit is out of reach here, as if there were none.
        limits = Limits(cpu_s=120, wall_s=240, memory=1 << 40)
        worker = await workbench._start("test")
        assert not worker._limited
        watch = asyncio.ensure_future(worker._watch(64 * MB))
        with pytest.raises(Exception) as caught:  # noqa: PT011 - private to the adapter
            await worker.do(greedy("hoard"), b"", limits)
        assert type(caught.value).__name__ == "_Said"
        await watch
        worker.kill()
        await worker.gone()

    given(work, trust_kernel=False)


def test_a_decompression_bomb_is_limited() -> None:
    """A megabyte that unpacks to a gigabyte costs its worker."""
    payload = gzip.compress(bytes(16 * MB)) * 64  # members follow one another
    assert len(payload) < 2 * MB
    assert isinstance(broken(greedy("bomb"), payload, memory=128 * MB), TooMuchMemory)


def test_output_is_limited() -> None:
    """A result that is too large is not sent; the worker need not be replaced."""

    async def work(workbench: Workbench) -> None:
        limits = Limits(cpu_s=120, wall_s=240, output=MB)
        with pytest.raises(TooMuchOutput, match="1 MB"):
            await workbench.run(greedy("pour"), str(MB + 1).encode(), limits=limits)
        whole = await workbench.run(greedy("pour"), str(MB).encode(), limits=limits)
        assert whole == bytes(MB)
        assert workbench.started == 1

    given(work)


def test_a_gigabyte_is_not_even_sent() -> None:
    """More to work on than memory allowed is refused before a process is started."""

    async def work(workbench: Workbench) -> None:
        with (
            mmap.mmap(-1, 1 << 30) as text,
            pytest.raises(TooMuchMemory, match=r"1,074 MB to work on"),
        ):
            await workbench.run("changelog.parse", text)  # type: ignore[arg-type]
        assert workbench.started == 0

    given(work)


def test_a_text_that_fits_but_whose_parsing_does_not_is_refused() -> None:
    """Forty megabytes with fifty to spare: the lines alone are more."""
    payload = isolation.parse_payload(b"1.0\n" * (10 * MB), "CHANGELOG")
    assert isinstance(broken("changelog.parse", payload, memory=50 * MB), TooMuchMemory)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("nest", "RecursionError"),
        ("fault", "SIGSEGV"),
        ("vanish", "ended with status 7"),
        ("forge", "nonsense"),
        ("absent", "AttributeError"),
    ],
)
def test_a_crash_is_an_error_that_says_how(task: str, words: str) -> None:
    """Endless recursion, a crash of the interpreter, an end without a word, false frames."""
    error = broken(greedy(task))
    assert isinstance(error, Crashed)
    assert words in str(error)


def test_no_such_task() -> None:
    """The message names what there is."""
    assert "there are: archive.read, changelog.parse" in str(broken("changelog.prase"))


def test_what_a_task_prints_is_no_answer() -> None:
    """Output of libraries, even a lot of it, neither mixes with frames nor blocks."""
    assert given(lambda workbench: workbench.run(greedy("babble"), b"much")) == b"said"


def test_workers_inherit_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the environment, no open file, no working folder, no user's modules."""
    monkeypatch.setenv("VENTIL_TOKEN", "secret")
    with (HERE / "greedy_tasks.py").open() as file:
        os.set_inheritable(file.fileno(), True)
        said = given(lambda workbench: workbench.run(greedy("environment"), b""))
    names, descriptors, isolated = eval(said)  # noqa: S307 - said by ourselves
    assert set(names) <= {"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LC_CTYPE"}
    assert len(descriptors) == 4  # three pipes, and /dev/null where libraries print
    assert isolated == 1


def test_tasks_reach_nothing_outside() -> None:
    """No socket, no file but the modules, no program, no signal, nothing removed."""
    assert given(lambda workbench: workbench.run(greedy("reach_out"), b"")) == b"[]"


def test_a_cancelled_task_is_killed_and_its_place_is_free() -> None:
    """Nobody waits for it any longer, so it must not run on."""

    async def work(workbench: Workbench) -> None:
        first = int(await workbench.run(greedy("whoami"), b""))
        waiting = asyncio.ensure_future(workbench.run(greedy("sleep"), b""))
        await busy(workbench)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        second = int(await workbench.run(greedy("whoami"), b""))
        assert second != first
        await gone(first)

    given(work)


async def busy(workbench: Workbench) -> None:
    """Return once a worker is at work."""
    while not workbench._busy:  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(0)


async def gone(pid: int) -> None:
    """Return once the process is no more, or a zombie."""
    while not ended(pid):  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(0.01)


def ended(pid: int) -> bool:
    """Whether there is no such process any longer."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_workers_killed_while_idle_are_replaced() -> None:
    """As when the kernel was short of memory: the next task gets an answer, or an error."""

    async def work(workbench: Workbench) -> None:
        pid = int(await workbench.run(greedy("whoami"), b""))
        os.kill(pid, signal.SIGKILL)
        await workbench._idle[0].gone()
        assert await workbench.run(greedy("echo"), b"x") == b"x"

    given(work)


def test_closing_ends_all_workers() -> None:
    """Busy and idle ones; whoever waits gets an error, not silence."""

    async def main() -> None:
        workbench = Workbench(processes=2, limits=AMPLE, folders=[str(HERE)])
        pid = int(await workbench.run(greedy("whoami"), b""))
        waiting = asyncio.ensure_future(workbench.run(greedy("sleep"), b""))
        await busy(workbench)
        await workbench.close()
        with pytest.raises(WorkbenchError):
            await waiting
        await gone(pid)
        with pytest.raises(Crashed, match="closed"):
            await workbench.run(greedy("echo"), b"")

    asyncio.run(main())


PARENT = """
import asyncio, sys
from ventil.adapters.workbench import Limits, Workbench
async def main():
    bench = Workbench(processes=2, folders=[sys.argv[1]])
    print((await bench.run("greedy_tasks:whoami", b"")).decode(), flush=True)
    spin = asyncio.ensure_future(
        bench.run("greedy_tasks:spin", b"", limits=Limits(cpu_s=600, wall_s=600)))
    while not bench._busy: await asyncio.sleep(0)
    print((await bench.run("greedy_tasks:whoami", b"")).decode(), flush=True)
    await spin
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a busy worker ends its task")
def test_no_worker_outlives_a_killed_parent() -> None:
    """After kill -9 the idle one sees its stdin end, the busy one is killed by the kernel."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(HERE)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert parent.stdout is not None
    busy, idle = int(parent.stdout.readline()), int(parent.stdout.readline())
    assert busy != idle
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for pid in (busy, idle):
        asyncio.run(gone(pid))


def test_the_rest_of_the_run_never_notices() -> None:
    """Hostile and honest tasks at the same time: every honest one gets its answer."""
    payload = isolation.parse_payload(TEXT, "CHANGELOG.md")
    tight = Limits(cpu_s=0.3, wall_s=240, memory=64 * MB, output=MB)

    async def work(workbench: Workbench) -> None:
        right = await workbench.run("changelog.parse", payload)

        async def honest() -> None:
            for _ in range(20):
                assert await workbench.run("changelog.parse", payload) == right

        async def hostile(name: str, data: bytes = b"") -> None:
            with pytest.raises(WorkbenchError):
                await workbench.run(greedy(name), data, limits=tight)

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(honest())
            for name in ("spin", "hoard", "fault", "vanish", "forge", "nest"):
                group.create_task(hostile(name))
            group.create_task(hostile("pour", b"9999999"))

    given(work, processes=2)


def tar(name: str, size: int = 0) -> bytes:
    """The header of one entry."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def read_archive(form: str, data: bytes) -> archive.Contents:
    """What the task reads of an archive; it ends within its limits."""
    payload = archive.payload(Unpack(form), "teapot", data)
    return archive.contents(given(lambda bench: bench.run("archive.read", payload)))


def test_an_archive_with_ten_million_entries_is_left_early() -> None:
    """Its first entries are walked, and the answer says why not all."""
    member = gzip.compress(tar("package/f") * 10_000)
    found = read_archive("tgz", member * 1_000)  # members follow one another
    assert found.fault
    assert found.entries < 10_000_000


@pytest.mark.parametrize(
    "name",
    ["../../etc/CHANGELOG.md", "/etc/CHANGELOG.md", "package/../../CHANGELOG.md", "a\\..\\x"],
)
def test_hostile_paths_are_refused(name: str) -> None:
    """A name that leads outside is no changelog; nothing is written anywhere."""
    found = read_archive("tgz", gzip.compress(tar(name)))
    assert not found.files


@pytest.mark.parametrize("form", ["tgz", "zip"])
def test_an_archive_that_unpacks_to_too_much_is_left_early(form: str) -> None:
    """A bomb, as tar and as zip: the answer says so, within the limits."""
    if form == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("package/CHANGELOG.md", bytes(64 * MB))
        data = out.getvalue()
    else:
        head = gzip.compress(tar("package/CHANGELOG.md", 7 << 30))
        data = head + gzip.compress(bytes(16 * MB)) * 448
    found = read_archive(form, data)
    assert not found.files
    assert found.fault or found.too_large


@pytest.mark.parametrize("wrong", [{"cpu_s": 0}, {"wall_s": -1}, {"memory": 0}, {"output": 0}])
def test_limits_are_above_zero(wrong: dict[str, float]) -> None:
    """A limit of nothing would mean no limit to the kernel."""
    with pytest.raises(ValueError, match="above 0"):
        Limits(**wrong)  # type: ignore[arg-type]


def test_errors_belong_to_the_world() -> None:
    """They end a command with 1 where nobody marks the record, never with a traceback."""
    for kind in (TooLong, TooMuchMemory, TooMuchOutput, Crashed):
        assert issubclass(kind, WorkbenchError)
        assert issubclass(kind, VentilError)
        assert kind.exit_code == 1


def test_a_task_costs_little() -> None:
    """Far less than a start of the interpreter: tasks in one worker against one each."""

    async def work(workbench: Workbench) -> float:
        await workbench.run(greedy("echo"), b"")
        start = time.perf_counter()
        for _ in range(8):
            await workbench.run(greedy("echo"), b"")
        return time.perf_counter() - start

    assert given(work) < given(work, tasks_each=1)
