"""The tree of errors.

::

    VentilError
    ├── UserError            the user can mend it: exit 2
    │   ├── SettingError     a setting, flag or environment variable
    │   ├── WrongDatabase    a database that is not ours to use as it stands
    │   ├── SourceError      the catalogue, or a name asked for on the command line
    │   └── OutputError      where the artefact is to go
    ├── WorldError           the machine or the network: exit 1
    │   ├── StateError       the state database is damaged, locked, full or too new
    │   │   └── NoSpace          a database server has no room for what is to be written
    │   ├── PublishError     the artefact could not be written (a full disk, say)
    │   ├── PortError        a port could not be opened
    │   └── WorkbenchError   work on fetched bytes broke one of its limits, or broke
    │       ├── TooLong          the limit on processor time, or on time
    │       ├── TooMuchMemory    the limit on memory
    │       ├── TooMuchOutput    the limit on the size of the result
    │       └── Crashed          it raised an error, or its process ended
    └── Stopped              not a fault: the run ended early, in order
        ├── Suspended        the provider says later than --max-wait: exit 75
        ├── Interrupted      SIGINT or SIGTERM: exit 130 or 143
        ├── Busy             another process works on this state folder: exit 75
        ├── Fenced           the other workers have given this one up: exit 75
        └── Cancelled        a person cancelled the run: exit 1

A message names what failed, which value, and what to do next; `hint` is printed on a
line of its own. Nothing in the package is imported here.
"""

from __future__ import annotations


class VentilError(Exception):
    """Base of all errors that Ventil raises on purpose.

    `exit_code` is what the command line ends with. `hint` is what to do next, or None
    when the message already says it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(VentilError):
    """Something the user wrote is wrong; asking again unchanged will not help."""

    exit_code = 2


class SettingError(UserError):
    """A setting is unknown or has a bad value. The message names key, value and source."""


class WrongDatabase(UserError):
    """The database refuses us, is another application's, or has another schema version."""


class SourceError(UserError):
    """The catalogue cannot be read as one. The message names the file and the place."""


class OutputError(UserError):
    """The artefact's place cannot be written to; found before the first request."""


class WorldError(VentilError):
    """The machine or the network failed; the same command may succeed later."""

    exit_code = 1


class StateError(WorldError):
    """The state database cannot be used: damaged, full, unreadable or too new."""


class NoSpace(StateError):
    """The database server has no room for what is to be written; it can still be read."""


class PublishError(WorldError):
    """The artefact could not be written. What was fetched is safe in the ledger."""


class PortError(WorldError):
    """A local port could not be opened."""


class WorkbenchError(WorldError):
    """Work on fetched bytes, in a process of its own, broke one of its limits, or broke.

    The message names the task, the limit and its value. The process is replaced; asking
    again with the same bytes gives the same, so they are to be marked and left.
    """


class TooLong(WorkbenchError):
    """The task spent more processor time than allowed, or was not back in time."""


class TooMuchMemory(WorkbenchError):
    """The task, or what it was to work on, needs more memory than allowed."""


class TooMuchOutput(WorkbenchError):
    """The task's result is larger than allowed."""


class Crashed(WorkbenchError):
    """The task raised an error, or its process ended or answered nonsense."""


class Stopped(VentilError):
    """The run ended early and in order; the same command goes on with it."""


class Suspended(Stopped):
    """The provider says later than the longest wait allowed (exit 75, EX_TEMPFAIL)."""

    exit_code = 75


class Interrupted(Stopped):
    """A signal ended the run after a clean checkpoint; `exit_code` is 128 + its number."""

    def __init__(self, message: str, *, signal: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal


class Busy(Stopped):
    """Another process works on the same state folder."""

    exit_code = 75


class Fenced(Stopped):
    """The other workers have given this one up; it may join again, under another id."""

    exit_code = 75


class Cancelled(Stopped):
    """A person cancelled the run."""

    exit_code = 1
