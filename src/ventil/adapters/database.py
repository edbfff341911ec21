"""What the store's statements run on: one kind of database behind one small surface.

Statements are written once, with `?` for a parameter. The hot path goes straight to the
driver (`direct`, `transaction`): a transaction of a few rows through the layers above it
costs several times what it costs there. What is rare goes through SQLAlchemy (`read`,
`write`). Each kind says how it names a set of keys, and what its errors mean.
"""

from __future__ import annotations

import contextlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from ventil.errors import VentilError


class Rows(Protocol):
    """What a statement found."""

    @property
    def rowcount(self) -> int:
        """Rows changed."""

    def fetchone(self) -> Any:
        """The next row; None when there is none left."""

    def __iter__(self) -> Iterator[Any]: ...


class Session(Protocol):
    """Runs statements on the driver's connection."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        """Run a statement once."""

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]], /) -> Any:
        """Run a statement for each of *rows*, in their order."""


class Database(ABC):
    """A database of one kind. Used from one thread.

    `place` names it for a person, without any secret. `shared`: other processes write to it
    while this one does.
    """

    shared = False

    def __init__(self, engine: sa.Engine, place: str) -> None:
        self.engine = engine
        self.place = place

    # -- statements ------------------------------------------------------------------

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A write transaction through SQLAlchemy, whole or not at all."""
        with self.faults(), self.engine.begin() as db:
            yield db

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection of SQLAlchemy's to read from."""
        with (
            self.faults(),
            self.engine.connect().execution_options(ventil_read_only=True) as db,
        ):
            yield db

    @abstractmethod
    def direct(self) -> contextlib.AbstractContextManager[Session]:
        """The driver's connection, kept. Each read stands for itself."""

    @abstractmethod
    def transaction(self) -> contextlib.AbstractContextManager[Session]:
        """A write transaction on the driver's connection, whole or not at all."""

    @abstractmethod
    def upsert_samples(self, db: Session, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows of `sample` in their order; see `Ledger.record`."""

    # -- kinds -----------------------------------------------------------------------

    @abstractmethod
    def among(self, column: str) -> str:
        """The condition that *column* is one of the keys in one parameter."""

    @abstractmethod
    def keys(self, keys: Sequence[str]) -> Any:
        """That parameter."""

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """Errors of the driver, and of data that makes no sense, as errors of ours."""
        try:
            yield
        except self.driver_errors as error:
            raise self.as_error(error) from error
        except (sa.exc.NoResultFound, ValueError, TypeError, LookupError, zlib.error) as error:
            # What was read makes no sense: a page of it is not what was written.
            raise self.as_damage(str(error) or type(error).__name__) from error

    driver_errors: tuple[type[Exception], ...] = (sa.exc.DBAPIError,)

    @abstractmethod
    def as_error(self, error: Exception) -> VentilError:
        """What a database error means to a person, and what to do."""

    @abstractmethod
    def as_damage(self, words: str) -> VentilError:
        """The database does not hold what was written to it."""

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
