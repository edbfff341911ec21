"""One runner per state folder: an advisory lock that the system releases with the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO

from ventil.errors import StateError


class StateLock:
    """`flock` on a file in the state folder; held until `release` or the process ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._file: IO[str] | None = None

    def acquire(self, words: str) -> bool:
        """Take the lock and leave *words* in it for others to read; False when it is held.

        Raises StateError when the folder cannot be written to.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = open(self._path, "a+", encoding="utf-8")  # noqa: SIM115 - held open
        except OSError as error:
            raise StateError(
                f"cannot write to the state folder {self._path.parent}: "
                f"{error.strerror or error}",
                hint="change its permissions, or choose another place with --database",
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        with contextlib.suppress(OSError):  # a full disk: the words are only a courtesy
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"process {os.getpid()}, {words}".encode())
        self._file = file
        return True

    def holder(self) -> str | None:
        """Who holds the lock, in words; None when nobody does."""
        try:
            with open(self._path, encoding="utf-8") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return file.read().strip() or "another process"
                return None
        except OSError:
            return None

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None
