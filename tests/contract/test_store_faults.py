"""A state database that is damaged, too new, another's, full, or locked: clear errors."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from test_store import DAY, SERIES, chunk_of, ok, run_of

from ventil.adapters import sqlite as sqlite_adapter
from ventil.adapters.sql import SqlStore, open_store
from ventil.adapters.sqlite import SqliteDatabase
from ventil.adapters.tables import SCHEMA_VERSION
from ventil.errors import SettingError, StateError
from ventil.testing import EPOCH_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state database with one sample in it, closed."""
    path = tmp_path / "ventil.sqlite"
    store = open_store(f"sqlite:///{path}")
    store.record(SERIES, DAY, "r1", [(ok("a"), EPOCH_S)])
    store.close()
    return path


def test_what_was_stored_is_there_after_a_new_start(path: Path) -> None:
    """Another start reads what the first one wrote."""
    store = open_store(f"sqlite:///{path}")
    assert store.settled(SERIES, DAY, ["a"]) == {"a"}
    store.close()


@pytest.mark.parametrize("size", [100, 4096, 9000])
def test_no_database_at_all(path: Path, size: int) -> None:
    """A file of another kind is named, with the remedy, and stays as it is."""
    path.write_bytes(b"not a database. " * (size // 16))
    before = path.read_bytes()
    with pytest.raises(StateError, match="damaged") as caught:
        open_store(f"sqlite:///{path}")
    assert str(path) in caught.value.message
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("move it away")
    assert path.read_bytes() == before


def test_a_damaged_page(path: Path) -> None:
    """Damage in the middle is found when it is read, and named as damage."""
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(bytes(data))
    with pytest.raises(StateError, match="damaged"):
        open_store(f"sqlite:///{path}").settled(SERIES, DAY, ["a"])


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    """What a crash at the very beginning leaves behind is no obstacle."""
    path.write_bytes(b"")
    store = open_store(f"sqlite:///{path}")
    assert store.runs() == []
    store.close()


def test_a_newer_version(path: Path) -> None:
    """It is refused and left alone."""
    with sqlite3.connect(path) as db:
        db.execute("UPDATE ventil_version SET version = ?", (SCHEMA_VERSION + 1,))
    db.close()
    with pytest.raises(StateError, match="newer Ventil") as caught:
        open_store(f"sqlite:///{path}")
    assert caught.value.hint is not None
    assert "upgrade" in caught.value.hint


def test_another_applications_database(tmp_path: Path) -> None:
    """It is refused, and gets no tables of ours."""
    path = tmp_path / "theirs.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE invoice (id INTEGER)")
    db.close()
    with pytest.raises(StateError, match="another application"):
        open_store(f"sqlite:///{path}")
    with sqlite3.connect(path) as db:
        assert [row[0] for row in db.execute("SELECT name FROM sqlite_master")] == ["invoice"]
    db.close()


def test_a_full_disk(path: Path) -> None:
    """The write fails as a whole with clear words; what was stored before stays readable."""
    store = open_store(f"sqlite:///{path}")
    with sqlite3.connect(path) as db:
        [(pages,)] = db.execute("PRAGMA page_count")
    db.close()

    def limited(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    store.close()
    made = sqlite_adapter.sqlite_engine(f"sqlite:///{path}")
    sa.event.listen(made, "connect", limited)
    store = SqlStore(SqliteDatabase(made, str(path)))
    samples = [(replace(ok(f"k{i}"), detail="x" * 200), EPOCH_S) for i in range(500)]
    with pytest.raises(StateError, match="is full") as caught:
        store.record(SERIES, DAY, "r1", samples)
    assert caught.value.hint is not None
    assert "free some space" in caught.value.hint
    with pytest.raises(StateError, match="is full"):
        store.create_run(run_of(), [f"n{i}" for i in range(9_000)], [chunk_of(0, ("a",))])
    assert store.run("r1") is None
    assert store.settled(SERIES, DAY, ["a", "k1"]) == {"a"}
    store.record(SERIES, DAY, "r1", [(ok("a", 8), EPOCH_S + 1)])  # there is room for that
    assert store.good(SERIES, ["a"])["a"].value == 8
    store.close()


def test_no_place(tmp_path: Path) -> None:
    """A folder in the file's place, a file in the folder's place, nothing where it must be."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError):
        open_store(f"sqlite:///{tmp_path}/folder")
    with pytest.raises(StateError, match="state folder"):
        open_store(f"sqlite:///{tmp_path}/file/ventil.sqlite")
    with pytest.raises(StateError, match="there is no state database"):
        open_store(f"sqlite:///{tmp_path}/none.sqlite", create=False)


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "nonsense"])
def test_other_databases(url: str) -> None:
    """Only SQLite files and Postgres are known."""
    with pytest.raises(SettingError):
        open_store(url)
