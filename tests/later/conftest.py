"""A bench on a SQLite file, and one on Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from later_bench import LaterBench

from postgres_server import PostgresServer
from ventil.adapters.sql import upgrade_database


@pytest.fixture
def later(tmp_path: Path) -> Iterator[LaterBench]:
    """An empty one on a file."""
    with ExitStack() as stack:
        yield LaterBench(tmp_path, f"sqlite:///{tmp_path}/state/ventil.sqlite", stack)


@pytest.fixture
def later_shared(tmp_path: Path, postgres: PostgresServer) -> Iterator[LaterBench]:
    """An empty one on Postgres."""
    with ExitStack() as stack:
        url = postgres.database()
        upgrade_database(url)
        yield LaterBench(tmp_path, url, stack)
