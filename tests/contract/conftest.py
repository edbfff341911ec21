"""A store of each kind: memory, a SQLite file, Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres_server import PostgresServer
from ventil.adapters.sql import open_store, upgrade_database
from ventil.adapters.tables import metadata, version
from ventil.ports import Store
from ventil.testing import MemoryStore


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    opened: Store
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = open_store(f"sqlite:///{tmp_path}/state/ventil.sqlite")
    else:
        opened = open_store(request.getfixturevalue("empty_postgres"))
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of each kind, of this test alone."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ventil.sqlite"
    server: PostgresServer = request.getfixturevalue("postgres")
    database = server.database()
    upgrade_database(database)
    return database


@pytest.fixture(scope="session")
def upgraded_postgres(postgres: PostgresServer) -> str:
    """The URL of a database with our schema."""
    url = postgres.database()
    assert upgrade_database(url)[0] == 0
    return url


@pytest.fixture
def empty_postgres(postgres: PostgresServer, upgraded_postgres: str) -> str:
    """The same with nothing in it: emptied, which is faster than a new one."""
    tables = ", ".join(f"ventil.{name}" for name in metadata.tables if name != version.name)
    postgres.run(f"TRUNCATE {tables} RESTART IDENTITY", database=upgraded_postgres)
    return upgraded_postgres
