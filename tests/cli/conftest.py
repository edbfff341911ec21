"""The command line as a person meets it: in an empty folder, against a simulated npm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from commandline import NAMES, Cli, Sim


@pytest.fixture
def cli(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cli]:
    """The commands in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    source = Path(__file__).parent.parent.parent / "src"
    monkeypatch.setenv("PYTHONPATH", str(source))
    with ExitStack() as stack:
        cli = Cli(tmp_path, capsys, monkeypatch, stack)
        cli.ask("http://127.0.0.1:9")  # the discard port: never the public service
        yield cli


@pytest.fixture
def world(cli: Cli) -> Sim:
    """A calm npm that knows `NAMES`, and a catalogue of them in `names.txt`."""
    cli.names(*NAMES)
    return cli.sim(counts=NAMES)
