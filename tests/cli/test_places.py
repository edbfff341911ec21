"""Where things are kept: bad outputs, full disks, damaged and foreign state databases."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import NAMES, Cli, Sim

HAS_ROOT = os.geteuid() == 0


# -- the artefact ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("nowhere/stats.json", "the folder {folder}/nowhere does not exist"),
        ("folder", "folder is a directory"),
        ("names.txt/stats.json", "the folder {folder}/names.txt does not exist"),
        ("/dev/null", "/dev/null is not a regular file"),
        ("pipe", "pipe is not a regular file"),
        ("names.txt", "names.txt is the catalogue itself"),
        ("dangling", "the folder {folder}/gone does not exist"),
        ("x" * 300 + ".json", "File name too long"),
        ("/proc/stats.json", "/proc"),
        ("report-is-folder.json", "is not a regular file"),
    ],
)
def test_an_output_that_cannot_be_written(
    cli: Cli, world: Sim, output: str, words: str
) -> None:
    """Found before the first request; nothing is replaced that is not an artefact."""
    (cli.folder / "folder").mkdir()
    (cli.folder / "report-is-folder.report.json").mkdir()
    os.mkfifo(cli.folder / "pipe")
    (cli.folder / "dangling").symlink_to(cli.folder / "gone" / "stats.json")
    ended = cli("stats", "names.txt", "-o", output)
    assert ended.code == 2
    assert words.format(folder=cli.folder) in ended.err
    assert "hint: " in ended.err
    assert world.report().requests == 0
    assert Path("/dev/null").is_char_device()
    assert (cli.folder / "names.txt").read_text().splitlines() == list(NAMES)


def test_a_folder_that_may_not_be_written(cli: Cli, world: Sim) -> None:
    """The permission is named, for the artefact and for the state."""
    (cli.folder / "locked").mkdir(mode=0o500)
    ended = cli.without_privileges("stats", "names.txt", "-o", "locked/stats.json")
    assert ended.code == 2
    assert "locked is not writable: Permission denied" in ended.err
    state = "sqlite:///locked/state/ventil.sqlite"
    ended = cli.without_privileges("stats", "names.txt", "--database", state)
    assert ended.code == 1
    assert "cannot write to the state folder" in ended.err
    assert world.report().requests == 0


def test_a_state_that_may_not_be_read(cli: Cli, world: Sim) -> None:
    """A file or a folder that is closed to us is named; nothing is taken for missing."""
    for folder, mode in (("file", 0o700), ("folder", 0)):
        (cli.folder / folder).mkdir()
        (cli.folder / folder / "v.sqlite").touch(mode=0)
        (cli.folder / folder).chmod(mode)
        database = f"sqlite:///{folder}/v.sqlite"
        for words in (("plan", "names.txt"), ("runs", "list"), ("doctor",)):
            ended = cli.without_privileges(*words, "--database", database)
            assert ended.code == 1, words
            assert f"{folder}/v.sqlite cannot be used: unable to open" in ended.said
        (cli.folder / folder).chmod(0o700)


def test_the_state_is_not_replaced_by_the_artefact(cli: Cli, world: Sim) -> None:
    """Neither the state database, nor the queue, nor the lock."""
    assert cli("stats", "names.txt").code == 0
    for name in ("ventil.sqlite", "ventil.queue.sqlite", "lock"):
        ended = cli("stats", "names.txt", "-o", f".ventil/{name}")
        assert ended.code == 2
        assert "would be replaced" in ended.err
    assert cli("runs", "list").code == 0


def test_an_artefact_is_written_through_a_link_and_keeps_its_mode(cli: Cli, world: Sim) -> None:
    """The link stays a link; others may go on reading what they could read."""
    (cli.folder / "public").mkdir()
    target = cli.folder / "public" / "real.json"
    target.write_text("{}")
    target.chmod(0o604)
    (cli.folder / "link.json").symlink_to(target)
    assert cli("stats", "names.txt", "-o", "link.json").code == 0
    assert (cli.folder / "link.json").is_symlink()
    assert cli.stats("public/real.json") == NAMES
    assert target.stat().st_mode & 0o777 == 0o604


def test_a_planted_link_is_not_followed(cli: Cli, world: Sim) -> None:
    """In a folder that others may write to, the temporary file is always a new one."""
    victim = cli.folder / "victim"
    victim.write_text("precious")
    for name in ("stats.json", "stats.report.json"):
        (cli.folder / f".{name}.{os.getpid()}.tmp").symlink_to(victim)
    assert cli("stats", "names.txt").code == 0
    assert victim.read_text() == "precious"
    assert cli.stats() == NAMES


def test_a_path_that_climbs_is_where_the_person_said(cli: Cli, world: Sim) -> None:
    """`-o` is the person's own word; the report goes beside the artefact and nowhere else."""
    (cli.folder / "a" / "b").mkdir(parents=True)
    assert cli("stats", "names.txt", "-o", "a/b/../out.json").code == 0
    found = {p.name for p in (cli.folder / "a").iterdir()}
    assert found == {"b", "out.json", "out.report.json"}


# -- full disks ------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of one megabyte; skipped where it cannot be mounted."""
    folder = tmp_path_factory.mktemp("small-disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if not HAS_ROOT or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, *, leave: int = 0) -> Path:
    """Fill the disk but for *leave* bytes."""
    filler = folder / "filler"
    free = shutil.disk_usage(folder).free - leave
    with filler.open("wb") as file:
        file.write(b"x" * max(0, free))
    return filler


def test_a_full_disk_under_the_artefact(cli: Cli, world: Sim, small_disk: Path) -> None:
    """The old artefact stays; after space is freed the same command asks nobody again."""
    names = {f"package-with-a-long-name-{n}": n for n in range(3000)}
    cli.names(*names, file="many.txt")
    cli.open.close()
    sim = cli.sim(counts=names)
    output = small_disk / "stats.json"
    output.write_text('{"packages":{},"updated":"2026-01-01T00:00:00.000Z"}')
    before = output.read_bytes()
    filler = fill(small_disk, leave=8192)
    ended = cli("stats", "many.txt", "-o", output)
    assert ended.code == 1
    assert f"cannot write {output}: No space left on device" in ended.err
    assert "hint: free some space" in ended.err
    assert output.read_bytes() == before
    assert {p.name for p in small_disk.iterdir()} == {"stats.json", "filler"}
    asked = sim.report().requests
    filler.unlink()
    assert cli("stats", "many.txt", "-o", output).code == 0
    assert sim.report().requests == asked
    assert cli.stats(str(output)) == names


def test_a_full_disk_under_the_state(cli: Cli, world: Sim, small_disk: Path) -> None:
    """The run stops with a word; after space is freed the same command finishes."""
    names = {f"package-with-a-long-name-{n}": n for n in range(9000)}
    cli.names(*names, file="many.txt")
    cli.open.close()
    sim = cli.sim(counts=names)
    cli.set("VENTIL_RUN__CHUNK_SIZE", "128")
    database = f"sqlite:///{small_disk}/state.sqlite"
    filler = fill(small_disk, leave=700 * 1024)
    ended = cli.process("stats", "many.txt", "--database", database, timeout_s=120)
    assert ended.code == 1, ended
    assert str(small_disk) in ended.err
    assert "full" in ended.err
    assert "hint: free some space" in ended.err
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    ended = cli.process("stats", "many.txt", "--database", database, timeout_s=120)
    assert ended.code == 0, ended
    assert cli.stats() == names
    twice = [name for name, times in sim.report().answered.items() if times > 2]
    assert twice == []


def test_a_disk_that_is_full_from_the_start(cli: Cli, world: Sim, small_disk: Path) -> None:
    """Not even the state can be made: nothing is asked."""
    fill(small_disk)
    database = f"sqlite:///{small_disk}/state.sqlite"
    ended = cli("stats", "names.txt", "--database", database)
    assert ended.code == 1
    assert "full" in ended.err
    assert "hint: free some space" in ended.err
    assert world.report().requests == 0


# -- the state -------------------------------------------------------------------------------


def damage(path: Path, how: str) -> None:
    """Damage a database file."""
    for journal in path.parent.glob(path.name + "-*"):
        journal.unlink()
    data = path.read_bytes()
    if how == "garbage":
        path.write_bytes(b"this is no database at all " * 500)
    elif how == "garbage inside":
        path.write_bytes(data[:100] + b"\xa5" * (len(data) - 100))
    elif how == "truncated":
        path.write_bytes(data[: len(data) // 2 + 100])
    elif how == "empty":
        path.write_bytes(b"")


@pytest.mark.parametrize("how", ["garbage", "garbage inside", "truncated"])
def test_a_damaged_state_database(cli: Cli, world: Sim, how: str) -> None:
    """Named, never overwritten; moved away as the hint says, the command starts anew."""
    assert cli("stats", "names.txt").code == 0
    published = (cli.folder / "stats.json").read_bytes()
    state = cli.folder / ".ventil" / "ventil.sqlite"
    damage(state, how)
    damaged = state.read_bytes()
    for command in (
        ("stats", "names.txt"),
        ("runs", "list"),
        ("runs", "show"),
        ("failures", "list"),
        ("providers", "list"),
        ("providers", "pause", "npm-downloads"),
        ("doctor",),
    ):
        ended = cli(*command)
        assert ended.code == 1, command
        assert "ventil.sqlite" in ended.said
        assert "damaged" in ended.said
        assert "hint: move it away (mv " in ended.said
    assert (cli.folder / "stats.json").read_bytes() == published
    assert state.read_bytes() == damaged
    state.rename(state.with_suffix(".damaged"))
    assert cli("stats", "names.txt").code == 0
    assert cli.stats() == NAMES


def test_rows_that_make_no_sense_are_damage_too(cli: Cli, world: Sim) -> None:
    """A database that opens and holds nonsense is called damaged, not met with a crash."""
    assert cli("stats", "names.txt").code == 0
    for statement in (
        "UPDATE run SET tallies = '{'",
        "UPDATE run SET tallies = '{}', state = 'sideways'",
        "UPDATE run SET state = 'done', period_start = 'soon'",
        "UPDATE run SET state = 'running', period_start = '2026-01-01', keys = x'00'",
        "DELETE FROM ventil_version",
    ):
        with sqlite3.connect(cli.folder / ".ventil" / "ventil.sqlite") as db:
            db.execute(statement)
        db.close()
        ended = (
            cli("runs", "show") if "keys" not in statement else cli("runs", "resume", "last")
        )
        assert ended.code == 1, statement
        assert "damaged" in ended.err, (statement, ended)


def test_an_empty_state_file_is_a_new_one(cli: Cli, world: Sim) -> None:
    """As a killed first start may leave it."""
    (cli.folder / ".ventil").mkdir()
    (cli.folder / ".ventil" / "ventil.sqlite").touch()
    (cli.folder / ".ventil" / "ventil.queue.sqlite").touch()
    assert cli("stats", "names.txt").code == 0
    assert cli.stats() == NAMES


@pytest.mark.parametrize("how", ["garbage", "garbage inside", "truncated"])
def test_a_damaged_queue(cli: Cli, world: Sim, how: str) -> None:
    """The hint is true: moved away, the same command finishes, and nothing is lost."""
    cli.names(*list(NAMES)[:3], file="some.txt")
    assert cli("stats", "some.txt").code == 0
    queue = cli.folder / ".ventil" / "ventil.queue.sqlite"
    damage(queue, how)
    ended = cli("stats", "names.txt")
    assert ended.code == 1
    assert "ventil.queue.sqlite" in ended.err
    assert "hint: move it away (mv " in ended.err
    queue.rename(queue.with_suffix(".damaged"))
    assert cli("stats", "names.txt").code == 0
    assert cli.stats() == NAMES
    assert all(times == 1 for times in world.report().answered.values())


def test_a_state_database_of_a_newer_version(cli: Cli, world: Sim) -> None:
    """Refused, and left as it is."""
    assert cli("stats", "names.txt").code == 0
    state = cli.folder / ".ventil" / "ventil.sqlite"
    with sqlite3.connect(state) as db:
        db.execute("UPDATE ventil_version SET version = 999")
    db.close()
    before = state.read_bytes()
    for command in (("stats", "names.txt"), ("runs", "list"), ("plan", "names.txt")):
        ended = cli(*command)
        assert ended.code == 1
        assert "was written by a newer Ventil" in ended.err
        assert "999" in ended.err
        assert "hint: upgrade Ventil" in ended.err
    assert state.read_bytes() == before


def test_another_applications_database(cli: Cli, world: Sim) -> None:
    """Not a table is added to it."""
    with sqlite3.connect(cli.folder / "photos.sqlite") as db:
        db.execute("CREATE TABLE albums (id)")
    db.close()
    ended = cli("stats", "names.txt", "--database", "sqlite:///photos.sqlite")
    assert ended.code == 1
    assert "belongs to another application" in ended.err
    assert "'albums'" in ended.err
    with sqlite3.connect(cli.folder / "photos.sqlite") as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("albums",)]
    db.close()


def test_a_state_database_that_is_a_directory(cli: Cli, world: Sim) -> None:
    """Named."""
    (cli.folder / "dir.sqlite").mkdir()
    ended = cli("stats", "names.txt", "--database", "sqlite:///dir.sqlite")
    assert ended.code == 1
    assert "dir.sqlite" in ended.err


def test_no_state_database_yet(cli: Cli) -> None:
    """Commands that look at the past say that there is none; the others do without."""
    for command in (("runs", "list"), ("runs", "resume", "last"), ("failures", "list")):
        ended = cli(*command)
        assert ended.code == 1
        assert "there is no state database" in ended.err
        assert "hint: " in ended.err
    assert cli("providers", "list").code == 0
    assert cli("doctor").code == 0
    assert not (cli.folder / ".ventil").exists()


def test_a_read_only_working_directory(cli: Cli, world: Sim) -> None:
    """Plan works anywhere; stats does with state and artefact elsewhere."""
    here = cli.folder / "read-only"
    here.mkdir()
    cli.names(*NAMES, file="read-only/names.txt")
    try:
        if HAS_ROOT:
            bind = ["mount", "--bind", str(here), str(here)]
            if subprocess.run(bind, capture_output=True, check=False).returncode:
                pytest.skip("needs the right to mount")
            subprocess.run(["mount", "-o", "remount,bind,ro", str(here)], check=True)
        else:
            here.chmod(0o500)
        cli.patch.chdir(here)
        assert cli("plan", "names.txt").code == 0
        ended = cli("stats", "names.txt")
        assert ended.code == 2
        assert f"the folder {here} is not writable" in ended.err
        ended = cli("stats", "names.txt", "-o", "../stats.json")
        assert ended.code == 1
        assert "cannot write to the state folder" in ended.err
        assert "--database" in ended.err
        state = f"sqlite:///{cli.folder}/state/ventil.sqlite"
        ended = cli("stats", "names.txt", "-o", "../stats.json", "--database", state)
        assert ended.code == 0
    finally:
        cli.patch.chdir(cli.folder)
        if HAS_ROOT:
            subprocess.run(["umount", "-l", str(here)], check=False)
        else:
            here.chmod(0o700)
    assert cli.stats() == NAMES


def test_json_of_an_artefact_holds_any_name(cli: Cli) -> None:
    """Names are data: quotes and braces of JSON are no way out of a string."""
    odd = {"it's-(old)!*~": 5, "Base64": 6}
    cli.sim(counts=odd)
    cli.names(*odd)
    assert cli("stats", "names.txt").code == 0
    assert cli.stats() == odd
    assert json.loads((cli.folder / "stats.json").read_text())["packages"].keys() == odd.keys()
