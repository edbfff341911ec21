"""A state database of every released schema is brought to this version's, and keeps all."""

from __future__ import annotations

import json
import sqlite3
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from postgres_server import PostgresServer
from ventil.adapters.postgres import postgres_engine
from ventil.adapters.schema import UPGRADES
from ventil.adapters.sql import open_store, upgrade_database
from ventil.adapters.sqlite import sqlite_engine
from ventil.adapters.tables import SCHEMA_VERSION, metadata
from ventil.core.model import Sample, Status
from ventil.ports import ChunkRow

HERE = Path(__file__).parent
RELEASED = range(1, SCHEMA_VERSION)
CONTENT = """
INSERT INTO series (id, name) VALUES (1, 's');
INSERT INTO run VALUES ('r1', 'job', 'f', 'running', 'p@h', 's', 'last-week', '2025-11-14',
  '2025-11-20', '2025-11-21', 'out.json', false, 0.05, 1000.0, NULL, 1, 0, '', false, '{}',
  KEYS);
INSERT INTO chunk (run_id, idx, batches, attempts, failed, finished, since_s)
  VALUES ('r1', 0, BATCHES, 1, 1, false, 1001.0);
INSERT INTO sample VALUES (1, '2025-11-21', 'a', 'ok', 7, '2025-11-14', '2025-11-20', 1002.0,
  1, 'r1', '');
INSERT INTO unfolded VALUES (1, '2025-11-21');
INSERT INTO provider VALUES ('p@h', '{}', 1003.0, 'asked to');
"""


def content(blob: str) -> str:
    """Statements that fill a database; *blob* is how its kind writes binary data."""
    keys = zlib.compress(json.dumps(["a"]).encode()).hex()
    batches = zlib.compress(json.dumps([["a"]]).encode()).hex()
    return CONTENT.replace("KEYS", blob % keys).replace("BATCHES", blob % batches)


def schema_of(engine: sa.Engine) -> dict[str, list[str]]:
    """The columns of every table."""
    inspector = sa.inspect(engine)
    schema = "ventil" if engine.dialect.name == "postgresql" else None
    return {
        name: sorted(column["name"] for column in inspector.get_columns(name, schema=schema))
        for name in inspector.get_table_names(schema=schema)
    }


def check_content(url: str) -> None:
    """What the older version wrote is read, and new things can be written."""
    store = open_store(url)
    [run] = store.runs()
    assert (run.id, run.records) == ("r1", 1)
    assert store.run_keys("r1") == ["a"]
    assert store.chunk("r1", 0) == ChunkRow(0, (("a",),), 1, 1, False, 1001.0)
    [(_, entry, good)] = store.entries("s", "2025-11-21", ["a"])
    assert entry is not None
    assert good is not None
    assert (entry.sample.value, good.value) == (7, 7)
    assert store.provider("p@h").paused == "asked to"
    store.record("s", "2025-11-22", "r1", [(Sample("b", Status.UNKNOWN), 2000.0)])
    store.create_run(replace(run, id="r2"), ["b"], [ChunkRow(0, (("b",),), 0, 0, False, 2e3)])
    assert store.chunk_count("r2") == 1
    store.close()


def test_every_version_has_its_step() -> None:
    """And its released schema among the tests."""
    assert list(UPGRADES) == list(RELEASED)


@pytest.mark.parametrize("version", RELEASED)
def test_a_file_is_upgraded_when_it_is_opened(version: int, tmp_path: Path) -> None:
    """From every released schema, with what it holds, to the tables of a new file."""
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript((HERE / "schema_1.sqlite.sql").read_text(encoding="utf-8"))
        db.executescript(content("x'%s'"))
    db.close()
    engine = sqlite_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        for step in range(1, version):
            UPGRADES[step](connection)
        connection.exec_driver_sql("UPDATE ventil_version SET version = ?", (version,))
    check_content(f"sqlite:///{path}")
    new = {table.name: sorted(c.name for c in table.c) for table in metadata.tables.values()}
    assert schema_of(engine) == new
    engine.dispose()


@pytest.mark.parametrize("version", RELEASED)
def test_postgres_is_upgraded_on_demand(version: int, postgres: PostgresServer) -> None:
    """From every released schema; before that it is refused, after that it is as new."""
    url = postgres.database()
    tables = (HERE / "schema_1.postgres.sql").read_text(encoding="utf-8")
    setting = "CREATE SCHEMA ventil; SET search_path TO ventil;"
    postgres.run(setting + tables + content("'\\x%s'"), database=url)
    engine = postgres_engine(url)
    with engine.begin() as connection:
        for step in range(1, version):
            UPGRADES[step](connection)
        connection.exec_driver_sql("UPDATE ventil_version SET version = %s", (version,))
    with pytest.raises(Exception, match="this version needs schema"):
        open_store(url)
    assert upgrade_database(url) == (version, SCHEMA_VERSION)
    check_content(url)
    new = {table.name: sorted(c.name for c in table.c) for table in metadata.tables.values()}
    assert schema_of(engine) == new
    engine.dispose()
