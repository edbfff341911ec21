"""A Postgres that cannot be used as it stands: clear errors, exit 2, never the password."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from postgres_server import PASSWORD, PostgresServer
from ventil.adapters import shared_lock
from ventil.adapters.shared_lock import SharedLock
from ventil.adapters.sql import open_store, upgrade_database
from ventil.adapters.tables import SCHEMA_VERSION, metadata
from ventil.errors import SettingError, StateError, VentilError, WrongDatabase


def refused(url: str) -> VentilError:
    """The error of opening the store at *url*; says no secret."""
    with pytest.raises(VentilError) as caught:
        open_store(url)
    words = f"{caught.value.message} {caught.value.hint}"
    assert PASSWORD not in words
    assert "sesame" not in words
    assert "%20" not in words
    return caught.value


def test_wrong_password(postgres: PostgresServer) -> None:
    """User and place are named, the password is not."""
    error = refused(postgres.url("postgres", password="sesame"))
    assert isinstance(error, WrongDatabase)
    assert error.exit_code == 2
    assert "owner@127.0.0.1" in error.message
    assert "password authentication failed" in error.message


def test_a_password_among_the_parameters(postgres: PostgresServer) -> None:
    """It is a secret there too."""
    url = f"postgresql://owner@127.0.0.1:{postgres.port}/postgres?password=sesame"
    assert isinstance(refused(url), WrongDatabase)


def test_no_such_database(postgres: PostgresServer) -> None:
    """The remedy is to create it."""
    error = refused(postgres.url("nowhere"))
    assert error.exit_code == 2
    assert error.hint is not None
    assert "CREATE DATABASE" in error.hint


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:sesame@localhost", "postgresql://me:sesame@local host:port/x"],
)
def test_no_usable_url(url: str) -> None:
    """A URL without a database, or that is none."""
    error = refused(url)
    assert isinstance(error, SettingError)
    assert error.exit_code == 2


def test_nobody_answers() -> None:
    """A server that is down is the world's fault: exit 1, the same command may work later."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = refused(f"postgresql://me:sesame@127.0.0.1:{free.getsockname()[1]}/x")
    assert isinstance(error, StateError)


def test_no_schema_yet(postgres: PostgresServer) -> None:
    """The command that creates it is named."""
    error = refused(postgres.database())
    assert isinstance(error, WrongDatabase)
    assert error.hint is not None
    assert "ventil db upgrade" in error.hint


def test_another_applications_schema(postgres: PostgresServer) -> None:
    """A schema of our name with another's tables is refused, and gets none of ours."""
    url = postgres.database()
    postgres.run("CREATE SCHEMA ventil CREATE TABLE invoice (id int)", database=url)
    for attempt in (open_store, upgrade_database):
        with pytest.raises(WrongDatabase, match="another application"):
            attempt(url)
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'ventil'"
    assert postgres.run(tables, database=url) == [("invoice",)]


def test_other_tables_beside_ours(postgres: PostgresServer) -> None:
    """What another application has in another schema is no obstacle."""
    url = postgres.database()
    postgres.run("CREATE TABLE run (id int)", database=url)
    upgrade_database(url)
    store = open_store(url)
    assert store.runs() == []
    store.close()


def test_a_newer_schema(postgres: PostgresServer) -> None:
    """It is refused by every command, the upgrade too."""
    url = postgres.database()
    upgrade_database(url)
    postgres.run("UPDATE ventil.ventil_version SET version = version + 1", database=url)
    for attempt in (open_store, upgrade_database):
        with pytest.raises(WrongDatabase, match="newer Ventil") as caught:
            attempt(url)
        assert caught.value.exit_code == 2


def test_no_rights(postgres: PostgresServer) -> None:
    """Neither to create the schema, nor to use the one that stands."""
    url = postgres.database()
    name = url.rpartition("/")[2]
    postgres.run("CREATE ROLE guest LOGIN PASSWORD 'let me in'", database=url)
    guest = postgres.url(name, user="guest")
    with pytest.raises(WrongDatabase, match="permission denied") as caught:
        upgrade_database(guest)
    assert caught.value.hint is not None
    assert "GRANT" in caught.value.hint
    upgrade_database(url)
    assert isinstance(refused(guest), WrongDatabase)
    postgres.run("GRANT USAGE ON SCHEMA ventil TO guest", database=url)
    assert "permission denied" in refused(guest).message


def test_a_pooler_that_keeps_no_sessions(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one client sets and another sees is told, exit 2; a server itself passes.

    The pooler is played: both clients are given one session.
    """
    url = postgres.database()
    upgrade_database(url)
    shared_lock.check_sessions(url)
    with shared_lock.connected(url) as session:
        monkeypatch.setattr(shared_lock, "connected", lambda _: nullcontext(session))
        for attempt in (shared_lock.check_sessions, lambda u: SharedLock(u).acquire("job")):
            with pytest.raises(WrongDatabase, match="keeps no sessions") as caught:
                attempt(url)
            assert caught.value.exit_code == 2
            assert "pool_mode = session" in (caught.value.hint or "")
            assert PASSWORD not in caught.value.message


def test_upgrades_at_the_same_time(postgres: PostgresServer) -> None:
    """One creates the tables, the others find them."""
    url = postgres.database()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(upgrade_database, [url] * 4))
    assert sorted(found) == [(0, SCHEMA_VERSION), *[(SCHEMA_VERSION, SCHEMA_VERSION)] * 3]
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'ventil'"
    assert postgres.run(tables, database=url) == [(len(metadata.tables),)]


def test_a_connection_that_was_cut(postgres: PostgresServer) -> None:
    """What was under way fails with clear words; the next call has a new connection."""
    url = postgres.database()
    upgrade_database(url)
    store = open_store(url)
    assert store.provider("p").state is None
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    postgres.run(cut, database=url)
    with pytest.raises(StateError, match="cannot be used"):
        store.save_provider("p", "{}", 1.0)
    store.save_provider("p", "{}", 2.0)
    assert store.provider("p").stamp_s == 2.0
    store.close()
