"""A catalogue that cannot be read as one: what is said, the exit code, and nothing lost."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from commandline import NAMES, PROVIDER, Cli, Sim


def refused(cli: Cli, *arguments: str, code: int = 2) -> str:
    """What `stats` and `plan` both say to a catalogue; nothing was left behind."""
    texts = []
    for command in ("stats", "plan"):
        ended = cli(command, *arguments)
        assert ended.code == code
        assert ended.out == ""
        texts.append(ended.err)
    assert texts[0] == texts[1]
    assert texts[0].startswith("error: ")
    assert not (cli.folder / "stats.json").exists()
    assert not (cli.folder / ".ventil").exists()
    return texts[0]


def test_no_such_file(cli: Cli) -> None:
    """The path is named, and what else to give."""
    said = refused(cli, "nowhere.json")
    assert "nowhere.json: no such file" in said
    assert "hint: " in said


def test_a_directory(cli: Cli) -> None:
    """The hint names a file in it."""
    (cli.folder / "folder").mkdir()
    said = refused(cli, "folder")
    assert "folder is a directory" in said
    assert "folder/catalog.json" in said


def test_a_file_below_a_file(cli: Cli) -> None:
    """A path through a file is no file either."""
    (cli.folder / "file").write_text("x")
    assert "file/catalog.json" in refused(cli, "file/catalog.json")


def test_a_file_that_may_not_be_read(cli: Cli) -> None:
    """The system's own reason is given."""
    (cli.folder / "secret.json").write_text("[]")
    (cli.folder / "secret.json").chmod(0)
    ended = cli.without_privileges("plan", "secret.json")
    assert ended.code == 2
    assert "secret.json: cannot be read: Permission denied" in ended.err


@pytest.mark.parametrize("data", [b"", b"  \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file(cli: Cli, data: bytes) -> None:
    """Empty, blank, or a byte-order mark and nothing else."""
    (cli.folder / "c.json").write_bytes(data)
    assert "c.json: is empty" in refused(cli, "c.json")


def test_not_utf_8(cli: Cli) -> None:
    """Byte, line and offset are named."""
    (cli.folder / "c.txt").write_bytes(b"left-pad\ncaf\xe9\n")
    said = refused(cli, "c.txt")
    assert "c.txt: is not UTF-8 text (byte 0xe9 in line 2, offset 12)" in said


def test_utf_16_is_recognised(cli: Cli) -> None:
    """The hint says what to do."""
    (cli.folder / "c.json").write_bytes('["left-pad"]'.encode("utf-16"))
    assert "UTF-16: save it as UTF-8" in refused(cli, "c.json")


def test_a_byte_order_mark_is_fine(cli: Cli, world: Sim) -> None:
    """As some editors write it."""
    (cli.folder / "c.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(list(NAMES)).encode())
    assert cli("stats", "c.json").code == 0
    assert cli.stats() == NAMES


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"packages": [\n  {"name": "a"},\n  {"name" "b"}\n]}', "line 3, column 11"),
        ('["a", "b",]', "line 1, column"),
        ("[\n'a'\n]", "line 2, column 1"),
        ('{"packages": [{"name": "a"}', "line 1, column 28"),
        ('["a", "b', "line 1, column 7"),
    ],
)
def test_malformed_and_truncated_json(cli: Cli, text: str, place: str) -> None:
    """Line and column are named."""
    (cli.folder / "c.json").write_text(text)
    said = refused(cli, "c.json")
    assert "c.json: malformed JSON in " in said
    assert place in said


@pytest.mark.parametrize(
    "text",
    [
        "42",
        '"a name"',
        "null",
        "true",
        '{"dependencies": {"a": "1"}}',
        '{"packages": 5}',
        "[" * 100_000,
        "[1" + "0" * 5000 + "]",
        '{"packages": []}',
        "[]",
        '[1, null, {"version": "1"}]',
    ],
    ids=lambda text: text[:20],
)
def test_json_of_another_shape(cli: Cli, text: str) -> None:
    """The message says what was found, and not more than fits on a screen."""
    (cli.folder / "c.json").write_text(text)
    said = refused(cli, "c.json")
    assert "c.json: " in said
    assert len(said) < 600


def test_a_name_that_cannot_be_one_is_left_out_with_its_place(cli: Cli, world: Sim) -> None:
    """300 characters, a dot segment, a space: the rest goes on."""
    long = "x" * 300
    packages = [{"name": n} for n in ("pack-1", long, "@s/..", "a b", "pack-2")]
    (cli.folder / "c.json").write_text(json.dumps({"packages": packages}))
    ended = cli("stats", "c.json", "--json")
    assert ended.code == 0
    assert "c.json: packages[1].name" in ended.err
    assert "300 characters" in ended.err
    assert long not in ended.err
    assert "packages[2].name" in ended.err
    assert ended.json["counts"]["records"] == 2
    assert cli.stats() == {"pack-1": 1001, "pack-2": 1002}
    assert not any(".." in name for name in world.report().names)


def test_many_problems_are_counted_and_all_are_in_the_plan(cli: Cli) -> None:
    """Ten are told, the rest are counted; --json has them all."""
    cli.names("ok", *(f"bad name {n}" for n in range(50)))
    ended = cli("plan", "names.txt")
    assert ended.code == 0
    assert ended.err.count("left out names.txt:") == 10
    assert "40 more" in ended.err
    problems = cli("plan", "names.txt", "--json").json["problems"]
    assert len(problems) == 50
    assert problems[49]["place"] == "names.txt:51"


def test_control_characters_of_a_catalogue_reach_no_terminal(cli: Cli, world: Sim) -> None:
    """Neither from a name, nor from the catalogue's own name, nor from the keys of JSON."""
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\r"
    (cli.folder / "c.json").write_text(json.dumps([evil + "x", "pack-1"]))
    (cli.folder / f"{evil}.json").write_text(json.dumps({evil: 1}))
    said = cli("stats", "c.json").said + cli("plan", "c.json").said
    said += cli("plan", f"{evil}.json").said + cli("plan", f"no{evil}.json").said
    said += cli("runs", "list").said + cli("runs", "show", evil).said
    said += cli("failures", "show", evil).said + cli("providers", "show", evil).said
    for character in "\x1b\x07\u202e\r":
        assert character not in said


def test_standard_input(cli: Cli, world: Sim) -> None:
    """`-` reads the catalogue from a pipe."""
    ended = cli.process("stats", "-", "--json", data="\n".join(NAMES).encode())
    assert ended.code == 0
    assert ended.json["counts"]["ok"] == len(NAMES)
    assert cli.stats() == NAMES


def test_standard_input_that_is_bad_or_closed(cli: Cli) -> None:
    """It is called by its name; a closed one is an empty one."""
    said = cli.process("plan", "-", data=b"[1,").err
    assert "standard input: malformed JSON in line 1" in said
    said = cli.process("plan", "-", data=b"").err
    assert "standard input: is empty" in said
    words = " ".join(cli.command("plan", "-"))
    done = os.popen(f"cd '{cli.folder}' && {words} <&- 2>&1; echo code $?").read()  # noqa: S605
    assert "error: standard input" in done
    assert "Traceback" not in done
    assert done.endswith("code 2\n")


def test_a_million_names_are_planned_in_bounded_time_and_memory(cli: Cli) -> None:
    """The plan says how long that takes, and that it is longer than the day it settles."""
    cli.set(PROVIDER + "QUOTAS", "0.45/s")
    with (cli.folder / "many.txt").open("w") as file:
        for number in range(1_000_000):
            file.write(f"@scope-{number % 1000}/package-{number}\n")
    code = (
        "import resource, sys\n"
        "from ventil.cli.main import run\n"
        "code = run(sys.argv[1:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    (cli.folder / "measured.py").write_text(code)
    import subprocess

    done = subprocess.run(
        [sys.executable, "measured.py", "plan", "many.txt"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cli.folder,
    )
    assert done.returncode == 0
    assert "requests    1,000,000" in done.stdout
    assert "longer than the day" in done.stderr
    peak_kib = int(done.stderr.splitlines()[-1])
    assert peak_kib < 600 * 1024
    Path(cli.folder / "many.txt").unlink()


def test_paths_with_spaces_and_letters_of_the_world(cli: Cli, world: Sim) -> None:
    """Catalogue, artefact and state may be called anything."""
    folder = cli.folder / "Größe 大 'q\" x"
    folder.mkdir()
    (folder / "katalog ñ.txt").write_text("pack-1\n")
    ended = cli(
        "stats",
        folder / "katalog ñ.txt",
        "-o",
        folder / "stats ü.json",
        "--database",
        f"sqlite:///{folder}/zustand é.sqlite",
    )
    assert ended.code == 0
    assert cli.stats(str(folder / "stats ü.json")) == {"pack-1": 1001}
    assert (folder / "stats ü.report.json").exists()
    assert (folder / "zustand é.sqlite").exists()


def test_paths_that_are_not_utf_8(cli: Cli, world: Sim) -> None:
    """A catalogue may be called so; a place that has to be remembered may not."""
    strange = os.fsdecode(b"caf\xe9")
    (cli.folder / f"{strange}.txt").write_text("pack-1\n")
    ended = cli("stats", f"{strange}.txt", "-o", f"{strange}.json")
    assert ended.code == 2
    assert "is not UTF-8" in ended.err
    assert world.report().requests == 0
    ended = cli("stats", f"{strange}.txt")
    assert ended.code == 0
    assert cli.stats() == {"pack-1": 1001}
