"""The tasks by name. A task is a function from bytes to bytes, given as module:function.

A name is looked up in the worker process, so that neither the caller nor a worker that
never needs it imports what the task is made of.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final

Task = Callable[[bytes], bytes]

TASKS: Final = {
    "archive.read": "ventil.changelog.finder.archive:read_task",
    "changelog.parse": "ventil.changelog.isolation:parse_task",
    "changelog.read": "ventil.changelog.reading:read_task",
    "changelog.render": "ventil.changelog.rendering:render_task",
}


def find(name: str) -> Task:
    """The task of this name: one of `TASKS`, or "module:function" of a test.

    Raises LookupError when there is none, ImportError when its module cannot be imported.
    """
    place = TASKS.get(name, name)
    module, colon, function = place.partition(":")
    if not colon:
        raise LookupError(f"there is no task {name!r}; there are: {', '.join(sorted(TASKS))}")
    found: Task = getattr(importlib.import_module(module), function)
    return found
