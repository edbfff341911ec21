"""The command line: one app, one place that turns errors into messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from ventil import __version__
from ventil.cli import doctor, failures, practice, providers, runs, stats
from ventil.cli.console import say_error
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
    help_format="markdown",
)
stats.add_to(app)
runs.add_to(app)
failures.add_to(app)
providers.add_to(app)
practice.add_to(app)
doctor.add_to(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit as the contract says."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    try:
        code = app(
            list(arguments) or ["--help"],
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
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
    return code if isinstance(code, int) else 0


def _plain(error: CycloptsError) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main()
