"""The command line: one app, one place that turns errors into messages and exit codes."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cyclopts import App, CycloptsError

from ventil import __version__
from ventil.cli import (
    changelog,
    db,
    doctor,
    failures,
    practice,
    providers,
    runs,
    serve,
    stats,
    worker,
)
from ventil.cli.console import say_error
from ventil.cli.stats import STDIN
from ventil.errors import VentilError

app = App(
    name="ventil",
    version=__version__,
    version_flags=["--version"],
    help=(
        "A valve for APIs you don't own: fetches every record once per period, as fast as "
        "the API allows and no faster, and publishes what it got.\n\n"
        "Start with `ventil demo`, or `ventil plan catalog.json`."
    ),
    help_format="plaintext",  # Markdown would cost a fifth of the start-up time
)
stats.add_to(app)
runs.add_to(app)
failures.add_to(app)
providers.add_to(app)
practice.add_to(app)
changelog.add_to(app)
worker.add_to(app)
serve.add_to(app)
db.add_to(app)
doctor.add_to(app)


def _unwrap(group: App) -> None:
    """Join the lines of each paragraph of the help texts: a terminal wraps them anew."""
    for name in group:
        if not name.startswith("-"):
            command = group[name]
            paragraphs = command.help.split("\n\n")
            command.help = "\n\n".join(" ".join(text.split()) for text in paragraphs)
            _unwrap(command)


_unwrap(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit as the contract says."""
    gc.set_threshold(100_000, 20, 50)  # what is imported makes no garbage; jobs set their own
    _mend_streams()
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    try:
        code = app(
            _stdin_named(arguments) or ["--help"],
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        sys.stdout.flush()
    except CycloptsError as error:
        say_error(_plain(error), hint="ventil --help, or --help after the command")
        return 2
    except VentilError as error:
        say_error(error.message, hint=error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not worth a word.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # a fault of ours, and still no page of code for the person
        last = traceback.extract_tb(error.__traceback__)[-1]
        say_error(
            f"internal error: {type(error).__name__}: {error} "
            f"({Path(last.filename).name}, line {last.lineno})",
            hint="this is a fault in Ventil, not yours: please report it with this line; "
            "what was fetched is kept",
        )
        return 1
    return code if isinstance(code, int) else 0


def _stdin_named(arguments: Sequence[str]) -> list[str]:
    """`-` in the place of a catalogue, which the parser would take for an option."""
    return [
        STDIN if text == "-" and before not in ("-o", "--output") else text
        for before, text in zip(("", *arguments), arguments, strict=False)
    ]


def _mend_streams() -> None:
    """A closed stream swallows what is written; a narrow encoding loses letters, not runs."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end
    stdout: Any = sys.stdout
    if hasattr(stdout, "reconfigure"):
        stdout.reconfigure(errors="replace")


def _plain(error: CycloptsError) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main()
