"""Files that are there whole or not at all: written beside their place, flushed, renamed."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ventil.crashpoint import crashpoint
from ventil.errors import PublishError


@contextlib.contextmanager
def replacing(path: Path, *, unless: Callable[[], bool] = lambda: False) -> Iterator[IO[str]]:
    """A file that takes the place of *path* when the block ends well, and vanishes if not.

    *unless* is asked at the end of the block; the file vanishes when it says yes.
    """
    draft = temporary(path)
    _clear_leftovers(path)
    try:
        try:
            with open(create(draft), "w", encoding="utf-8", newline="\n") as file:
                if path.exists():
                    os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
                yield file
                file.flush()
                os.fsync(file.fileno())
            crashpoint("artefact.written")
            if not unless():
                os.replace(draft, path)
                _sync_folder(path.parent)
        except OSError as error:
            raise PublishError(
                f"cannot write {path}: {error.strerror or error}",
                hint="free some space or mend the folder and give the same command again: "
                "what was fetched is in the ledger",
            ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _clear_leftovers(path: Path) -> None:
    """Take away the temporary files of processes that were killed while they wrote."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        owner = leftover.name.rsplit(".", 2)[1]
        with contextlib.suppress(OSError):
            if owner.isdecimal() and not _is_alive(int(owner)):
                leftover.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def temporary(path: Path) -> Path:
    """Where this process writes what is to become *path*."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def create(path: Path) -> int:
    """Open a new file, never what somebody else has put there (a link, say)."""
    with contextlib.suppress(OSError):
        path.unlink()
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system lets a folder be synced
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
