"""A Postgres in trouble, as a person meets it: what is said, the exit code, nothing lost."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from commandline import Cli, Sim

from postgres_server import PASSWORD, PostgresServer
from ventil.adapters.shared_lock import SharedLock
from ventil.adapters.sql import upgrade_database

NAMES = {f"@s/p{number}": 7 + number for number in range(60)}
SECRETS = (PASSWORD, "let%20me%20in", "sesame")


@pytest.fixture
def url(cli: Cli, postgres: PostgresServer) -> str:
    """A database of its own, which the commands use, with our schema."""
    url = postgres.database()
    cli.set("VENTIL_DATABASE_URL", url)
    assert cli("db", "upgrade").code == 0
    return url


@pytest.fixture
def world(cli: Cli, url: str) -> Sim:
    """An npm that knows sixty names, all of another batch, and a catalogue of them."""
    cli.names(*NAMES)
    sim = cli.sim(counts=NAMES)
    cli.set("VENTIL_RUN__CHUNK_SIZE", "10")
    return sim


def fault(postgres: PostgresServer, url: str, table: str, action: str) -> None:
    """Let the server do *action* at some inserts into *table*, each in a transaction."""
    postgres.run(
        f"CREATE SEQUENCE ventil.inserts;"
        f"CREATE FUNCTION ventil.fault() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"DECLARE n bigint := nextval('ventil.inserts'); BEGIN {action} RETURN NEW; END $$;"
        f"CREATE TRIGGER fault BEFORE INSERT ON ventil.{table} FOR EACH ROW"
        f" EXECUTE FUNCTION ventil.fault()",
        database=url,
    )


NO_ROOM = (
    "IF n > 15 THEN RAISE EXCEPTION 'could not extend file: No space left on device' "
    "USING ERRCODE = '53100'; END IF;"
)
CUT = "IF n IN (7, 8, 30) THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"

COMMANDS = (
    ("stats", "names.txt"),
    ("plan", "names.txt"),
    ("runs", "list"),
    ("runs", "show", "last"),
    ("runs", "watch", "last"),
    ("runs", "cancel", "last"),
    ("runs", "resume", "last"),
    ("failures", "list"),
    ("failures", "show", "a"),
    ("failures", "replay", "last"),
    ("failures", "drop", "last"),
    ("providers", "list"),
    ("providers", "pause", "npm-downloads"),
    ("providers", "set", "npm-downloads", "quotas=1/min"),
    ("serve", "--port", "0"),
    ("changelog", "run", "names.txt"),
    ("changelog", "find", "pkg:npm/a"),
    ("worker",),
    ("db", "upgrade"),
)


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("postgresql://me:sesame@127.0.0.1:99999/x", 2, "99999"),
        ("postgresql://me:sesame@127.0.0.1/x?sslmod=require", 2, "sslmod"),
        ("postgresql://me:sesame@127.0.0.1/x?sslmode=bogus", 2, "sslmode"),
        ("postgresql://me:the@sesame@127.0.0.1/x", 2, "%40"),
        ("postgresql://me:sesame@127.0.0.1", 2, "DATABASE"),
        ("postgresql:/me:sesame@127.0.0.1/x", 2, "URL"),
        ("postgresql://me:sesame@127.0.0.1:1/x", 1, "127.0.0.1"),
    ],
)
def test_a_wrong_url(cli: Cli, url: str, code: int, words: str) -> None:
    """What can be read off the URL is the user's to mend; a server that is not there may come.

    Never is any of the password shown.
    """
    for command in (("runs", "list"), ("db", "upgrade"), ("worker",)):
        ended = cli(*command, "--database", url)
        assert ended.code == code, ended.said
        assert words in ended.err
        assert "me in" not in ended.said
        assert not any(secret in ended.said for secret in SECRETS)


def test_every_command_says_who_refuses_it(cli: Cli, postgres: PostgresServer) -> None:
    """Wrong password, no rights, another's schema, a newer one, none at all: exit 2 and the
    remedy, each command.
    """
    empty, foreign = postgres.database(), postgres.database()
    newer, closed = postgres.database(), postgres.database()
    postgres.run("CREATE SCHEMA ventil CREATE TABLE invoice (id int)", database=foreign)
    for url in (newer, closed):
        upgrade_database(url)
    postgres.run("UPDATE ventil.ventil_version SET version = version + 1", database=newer)
    postgres.run("CREATE ROLE stranger LOGIN PASSWORD 'let me in'", database=closed)
    cli.names("a")
    for url, words in (
        (postgres.url("postgres", password="sesame"), "password authentication failed"),
        (closed.replace("//owner:", "//stranger:"), "permission denied"),
        (foreign, "another application"),
        (newer, "newer Ventil"),
        (empty, "ventil db upgrade"),
    ):
        cli.set("VENTIL_DATABASE_URL", url)
        for command in COMMANDS:
            if url == empty and command == ("db", "upgrade"):
                continue
            ended = cli(*command)
            assert (ended.code, words in ended.err) == (2, True), (command, ended.said)
            assert not any(secret in ended.said for secret in SECRETS)
        doctor = cli("doctor")
        assert doctor.code == 1
        assert words in doctor.out
        assert not any(secret in doctor.said for secret in SECRETS)


def test_rights_to_read_alone(cli: Cli, world: Sim, url: str, postgres: PostgresServer) -> None:
    """Who may only look is told so when it would write: exit 2, and nobody was asked."""
    postgres.run(
        "CREATE ROLE reader LOGIN PASSWORD 'let me in';"
        "GRANT USAGE ON SCHEMA ventil TO reader;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA ventil TO reader",
        database=url,
    )
    cli.set("VENTIL_DATABASE_URL", url.replace("//owner:", "//reader:"))
    assert cli("runs", "list").code == 0
    for command in (("stats", "names.txt"), ("providers", "pause", "npm-downloads")):
        ended = cli(*command)
        assert ended.code == 2, ended.said
        assert "permission denied" in ended.err
        assert "GRANT" in ended.err
    assert not world.report().answered
    process = cli.process("worker", "--providers", "npm-downloads", "--quiet")
    assert process.code == 2, process.said
    assert "permission denied" in process.err


@pytest.fixture
def small_disk() -> Iterator[tuple[PostgresServer, Path]]:
    """A server, and a folder with a file system of its own, of 24 MB.

    Root mounts it; anybody else is root in a namespace of the kernel's, where that is allowed.
    """
    folder = Path(tempfile.mkdtemp(prefix="ventil-small-"))
    folder.chmod(0o755)
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # as the server is
    owned = "" if owner is None else f",uid={owner.pw_uid},gid={owner.pw_gid}"
    mount = ["mount", "-t", "tmpfs", "-o", f"size=24m{owned}", "small", str(folder)]
    within: list[str] = []
    if owner is not None:
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("root may not mount a file system here")
    else:
        ids = [f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"]
        inner = f'{shlex.join(mount)} && exec unshare --user {" ".join(ids)} "$@"'
        within = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inner, "sh"]
        if subprocess.run([*within, "true"], capture_output=True).returncode:
            pytest.skip("nobody may mount a file system here")
    server = PostgresServer(within)
    try:
        yield server, folder
    finally:
        server.stop()
        if not within:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_a_disk_that_is_really_full(cli: Cli, small_disk: tuple[PostgresServer, Path]) -> None:
    """It fills up in the midst of a run: exit 1 with the reason; with room again the same
    command goes on, asks for nothing twice that was stored, and the artefact is whole.
    """
    postgres, folder = small_disk
    postgres.run(f"CREATE TABLESPACE small LOCATION '{folder}'", database="postgres")
    postgres.run("CREATE DATABASE small TABLESPACE small", database="postgres")
    url = postgres.url("small")
    cli.set("VENTIL_DATABASE_URL", url)
    assert cli("db", "upgrade").code == 0
    names = {f"@scope/package-{number}": number for number in range(2_000)}
    cli.names(*names)
    world = cli.sim(counts=names)
    postgres.run(
        "CREATE TABLE filler (data text); ALTER TABLE filler ALTER data SET STORAGE PLAIN;"
        "CREATE TABLE reserve (LIKE filler INCLUDING STORAGE);"
        "INSERT INTO reserve SELECT repeat('x', 4000) FROM generate_series(1, 120)",
        database=url,
    )
    postgres.run("CHECKPOINT", database=url)  # a new database's files have holes until then
    fill = "INSERT INTO filler SELECT repeat('x', 4000) FROM"
    rows = 1_000
    while rows:  # the last rows one by one, to the last page
        try:
            postgres.run(f"{fill} generate_series(1, {rows})", database=url)
        except psycopg.errors.DiskFull:
            rows //= 2
    postgres.run("DROP TABLE reserve", database=url)
    ended = cli("stats", "names.txt", "--tolerate", "0%")
    assert ended.code == 1, ended.said
    assert "the disk of" in ended.err
    assert "No space left on device" in ended.err
    assert "free some space" in ended.err
    assert PASSWORD not in ended.said
    stored = {key for (key,) in postgres.run("SELECT key FROM ventil.sample", database=url)}
    assert 0 < len(stored) < len(names)
    before = world.report().answered
    postgres.run("DROP TABLE filler", database=url)
    ended = cli("stats", "names.txt", "--tolerate", "0%")
    assert ended.code == 0, ended.said
    assert cli.stats() == names
    after = world.report().answered
    assert all(after[name] == before[name] for name in stored)


def test_a_full_disk(cli: Cli, world: Sim, url: str, postgres: PostgresServer) -> None:
    """The server has no room: exit 1 with the reason; what was stored is not asked again."""
    fault(postgres, url, "sample", NO_ROOM)
    ended = cli("stats", "names.txt", "--tolerate", "0%")
    assert ended.code == 1, ended.said
    assert "the disk of" in ended.err
    assert "No space left" in ended.err
    assert not any(secret in ended.said for secret in SECRETS)
    stored = {key for (key,) in postgres.run("SELECT key FROM ventil.sample", database=url)}
    assert stored
    postgres.run("DROP TRIGGER fault ON ventil.sample", database=url)
    before = world.report().answered
    ended = cli("stats", "names.txt", "--tolerate", "0%")
    assert ended.code == 0, ended.said
    assert cli.stats() == NAMES
    after = world.report().answered
    assert all(after[name] == before[name] for name in stored)


def test_cut_in_the_middle_of_a_transaction(
    cli: Cli, world: Sim, url: str, postgres: PostgresServer
) -> None:
    """Whoever's connection was cut goes on by another: the run ends well, and complete."""
    fault(postgres, url, "sample", CUT)
    ended = cli("stats", "names.txt", "--tolerate", "0%")
    assert ended.code == 0, ended.said
    assert cli.stats() == NAMES
    assert not any(secret in ended.said for secret in SECRETS)
    assert sum(world.report().answered.values()) - len(NAMES) <= 3 * 4  # what was in flight


def test_cut_while_a_run_is_created(
    cli: Cli, world: Sim, url: str, postgres: PostgresServer
) -> None:
    """There is no half a run: exit 1, and the same command begins anew."""
    fault(postgres, url, "chunk", CUT.replace("(7, 8, 30)", "(3)"))
    ended = cli("stats", "names.txt")
    assert ended.code == 1, ended.said
    assert "cannot be used" in ended.err
    assert cli("runs", "list", "--json").json == []
    ended = cli("stats", "names.txt")
    assert ended.code == 0, ended.said
    assert cli.stats() == NAMES


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_an_hour_off(
    cli: Cli, world: Sim, url: str, postgres: PostgresServer, hours: int
) -> None:
    """The database's time counts, whatever this machine's clock says."""
    true = time.time
    cli.patch.setattr(time, "time", lambda: true() + 3600 * hours)
    ended = cli("stats", "names.txt", "--tolerate", "0%")
    cli.patch.setattr(time, "time", true)
    assert ended.code == 0, ended.said
    assert cli.stats() == NAMES
    [(early_s, late_s)] = postgres.run(
        "SELECT min(fetched_s) - extract(epoch FROM now())::float8,"
        " max(fetched_s) - extract(epoch FROM now())::float8 FROM ventil.sample",
        database=url,
    )
    assert -600 < early_s <= late_s < 60
    [(created_s,)] = postgres.run(
        "SELECT created_s - extract(epoch FROM now())::float8 FROM ventil.run", database=url
    )
    assert abs(created_s) < 600
    assert json.loads((cli.folder / "stats.json").read_text())["updated"] < time.strftime(
        "%Y-%m-%dT%H:%M:%SZ", time.gmtime(true() + 600)
    )


def test_one_command_for_a_job(cli: Cli, world: Sim, url: str) -> None:
    """Who would go on with a run that another command follows is told so: exit 75."""
    cli.names(*list(NAMES)[:3])
    assert cli("stats", "names.txt").code == 0
    [run] = cli("runs", "list", "--json").json
    assert "none: commands do the work" in cli("doctor").out
    lock = SharedLock(url)
    assert lock.acquire(run["job"])
    for command in (("stats", "names.txt"), ("runs", "resume", "last")):
        ended = cli(*command, "--max-wait", "0s")
        assert ended.code == 75, ended.said
        assert f"{run['job']} is in use by another command" in ended.err
    lock.release()
    assert cli("stats", "names.txt").code == 0
