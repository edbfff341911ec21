"""A state database of every released schema is brought to this version's, and keeps all."""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from postgres_server import PostgresServer
from ventil.adapters.postgres import PostgresDatabase, postgres_engine
from ventil.adapters.schema import UPGRADES, upgrade
from ventil.adapters.sql import open_store, upgrade_database
from ventil.adapters.sqlite import sqlite_engine
from ventil.adapters.tables import SCHEMA_VERSION, metadata
from ventil.core.model import Sample, Status
from ventil.errors import StateError
from ventil.ports import ChunkRow, RunState

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


STORED = (1, 2, 3)
"""Schemas whose tables are kept here as they were; later ones are made from the last."""


def stored(version: int, kind: str) -> tuple[int, str]:
    """The latest stored schema up to *version*, and its statements."""
    base = max(v for v in STORED if v <= version)
    return base, (HERE / f"schema_{base}.{kind}.sql").read_text(encoding="utf-8")


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
    base, tables = stored(version, "sqlite")
    with sqlite3.connect(path) as db:
        db.executescript(tables)
        db.executescript(content("x'%s'"))
    db.close()
    engine = sqlite_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        for step in range(base, version):
            UPGRADES[step](connection)
        connection.exec_driver_sql("UPDATE ventil_version SET version = ?", (version,))
    check_content(f"sqlite:///{path}")
    new = {table.name: sorted(c.name for c in table.c) for table in metadata.tables.values()}
    assert schema_of(engine) == new
    engine.dispose()


def old_database(postgres: PostgresServer, tables: str) -> str:
    """A database with *tables* and `CONTENT`."""
    url = postgres.database()
    setting = "CREATE SCHEMA ventil; SET search_path TO ventil;"
    postgres.run(setting + tables + content("'\\x%s'"), database=url)
    return url


@pytest.mark.parametrize("version", RELEASED)
def test_postgres_is_upgraded_on_demand(version: int, postgres: PostgresServer) -> None:
    """From every released schema; before that it is refused, after that it is as new."""
    base, tables = stored(version, "postgres")
    url = old_database(postgres, tables)
    engine = postgres_engine(url)
    with engine.begin() as connection:
        for step in range(base, version):
            UPGRADES[step](connection)
        connection.exec_driver_sql("UPDATE ventil_version SET version = %s", (version,))
    with pytest.raises(Exception, match="this version needs schema"):
        open_store(url)
    assert upgrade_database(url) == (version, SCHEMA_VERSION)
    check_content(url)
    new = {table.name: sorted(c.name for c in table.c) for table in metadata.tables.values()}
    assert schema_of(engine) == new
    engine.dispose()


OLD_WORKER = """
INSERT INTO worker (id, host, providers, slots, version, joined_s, seen_s)
  VALUES ('w%(n)s', 'h', '["p@h"]', 10, '0.0', 1, 1);
UPDATE worker SET seen_s = seen_s + 1 WHERE id = 'w%(n)s' AND gone IS NULL RETURNING seen_s;
INSERT INTO run (id, job, fingerprint, state, provider, series, period, period_start,
  period_end, day, output, refresh, tolerate, created_s, finished_s, records, settled_before,
  message, cancel, tallies, keys) VALUES ('o%(n)s', 'job', 'f', 'running', 'p@h', 's',
  'last-week', '2025-11-14', '2025-11-20', '2025-11-21', 'o.json', false, 0.05, %(n)s, NULL,
  1, 0, '', false, '{}', ''::bytea);
INSERT INTO chunk (run_id, idx, batches, attempts, failed, finished, since_s)
  VALUES ('o%(n)s', 0, ''::bytea, 0, 0, false, 1.0);
UPDATE chunk SET owner = 'w%(n)s' WHERE run_id = 'o%(n)s' AND idx = ANY(ARRAY(
  SELECT idx FROM chunk WHERE run_id = 'o%(n)s' AND NOT finished AND owner IS NULL
  AND due_s <= 2 ORDER BY idx LIMIT 3 FOR UPDATE SKIP LOCKED)) RETURNING idx, attempts;
INSERT INTO step (run_id, key, number, data) VALUES ('o%(n)s', 'a', 0, ''::bytea);
INSERT INTO kept (series_id, name, body, memory, at_s) VALUES (1, 'k%(n)s', ''::bytea, NULL, 1);
INSERT INTO sample (series_id, day, key, status, value, start, "end", fetched_s, attempts,
  run_id, detail) VALUES (1, '2025-11-21', 'a%(n)s', 'ok', 1, NULL, NULL, 1.0, 1, 'o%(n)s', '');
INSERT INTO failure (run_id, key, status, detail, request, attempts, first_s, last_s, state)
  VALUES ('o%(n)s', 'b', 'failed', '', '', 1, 1, 1, 'open');
UPDATE chunk SET attempts = 1, failed = 0, finished = true, since_s = 3
  WHERE run_id = 'o%(n)s' AND idx = 0;
INSERT INTO run_part (run_id, worker, tallies) VALUES ('o%(n)s', 'w%(n)s', '{}')
  ON CONFLICT (run_id, worker) DO UPDATE SET tallies = excluded.tallies;
INSERT INTO pacer (provider, worker, term, until_s) VALUES ('p%(n)s', 'w%(n)s', 1, 1)
  ON CONFLICT (provider) DO UPDATE SET worker = excluded.worker, term = pacer.term + 1;
INSERT INTO provider (key, state, stamp_s) VALUES ('p%(n)s', '{}', 1)
  ON CONFLICT (key) DO UPDATE SET state = excluded.state, stamp_s = excluded.stamp_s;
UPDATE run SET state = 'done', finished_s = 4, message = '' WHERE id = 'o%(n)s';
"""
"""What a worker of schema 3 writes in the course of a run, a transaction each."""


def test_old_workers_go_on_while_it_is_upgraded(postgres: PostgresServer) -> None:
    """Whatever a worker of an older version writes, before, during and after, is there."""
    url = old_database(postgres, stored(3, "postgres")[1])
    begun, over = threading.Event(), threading.Event()

    def old_worker() -> int:
        rounds = last = 0
        with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
            connection.execute("SET search_path TO ventil")
            while last < 2:  # two more rounds on the newer schema
                last += over.is_set()
                rounds += 1
                for statement in (OLD_WORKER % {"n": rounds}).split(";\n"):
                    if statement.strip():
                        connection.execute(statement)
                if rounds == 2:
                    begun.set()
        return rounds

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(old_worker)
        assert begun.wait(60)
        assert upgrade_database(url) == (3, SCHEMA_VERSION)
        over.set()
        rounds = working.result(60)
    store = open_store(url)
    runs = [run for run in store.runs(limit=10_000) if run.id != "r1"]
    assert len(runs) == rounds
    assert {run.state for run in runs} == {RunState.DONE}
    assert all(finished for run in runs for _, _, _, finished in store.chunk_progress(run.id))
    keys = [f"a{n}" for n in range(1, rounds + 1)]
    assert store.settled("s", "2025-11-21", keys) == set(keys)
    assert len(store.failures()) == rounds
    store.close()


def test_an_upgrade_stands_in_nobodys_way(postgres: PostgresServer) -> None:
    """Behind a transaction that hangs it gives up with clear words; others write meanwhile."""
    url = old_database(postgres, stored(3, "postgres")[1])
    database = PostgresDatabase(url)
    with psycopg.connect(url) as hanging:
        hanging.execute("UPDATE ventil.chunk SET failed = 2")
        with pytest.raises(StateError, match="in use by another transaction") as caught:
            upgrade(database, lock_s=0.05, patience_s=0.1)
        assert caught.value.exit_code == 1
        assert postgres.run("UPDATE ventil.provider SET paused = NULL", database=url) == []
        hanging.rollback()
    assert upgrade(database) == (3, SCHEMA_VERSION)
    database.close()
