"""The parser as a task of the workbench: bytes in, bytes out.

A fetched text is split in a process of its own, see `ventil.adapters.workbench`. These
three functions are the contract: what the caller sends, what the process does with it, and
how the caller reads what comes back, trusting nothing in it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ventil.changelog.document import ReleaseEntry
from ventil.changelog.parser import parse, release_as_data


class _Text(msgspec.Struct, frozen=True, array_like=True):
    data: bytes
    filename: str | None


def parse_payload(data: bytes, filename: str | None = None) -> bytes:
    """What `changelog.parse` is to be given: the text *data* of a file named *filename*."""
    return msgspec.msgpack.encode(_Text(data, filename))


def parse_task(payload: bytes) -> bytes:
    """The task `changelog.parse`: from `parse_payload` to a JSON array of releases."""
    asked = msgspec.msgpack.decode(payload, type=_Text)
    found: list[dict[str, Any]] = [
        release_as_data(release) for release in parse(asked.data, asked.filename)
    ]
    return msgspec.json.encode(found)


def parsed(body: bytes) -> list[ReleaseEntry]:
    """What `parse_task` gave. Raises ValueError when *body* is something else."""
    return msgspec.json.decode(body, type=list[ReleaseEntry])
