"""Rendering a package's pages as work for another process: a document in, files out.

The task `changelog.render`. The bodies in a document are what strangers wrote.
"""

from __future__ import annotations

import msgspec

from ventil.changelog.document import Document, decode, encode
from ventil.changelog.render.pages import Site, package_files


class _Payload(msgspec.Struct, frozen=True, array_like=True):
    document: bytes
    title: str
    base: str | None


def payload(document: Document, site: Site) -> bytes:
    """What `render_task` is to be given."""
    return msgspec.msgpack.encode(_Payload(encode(document), site.title, site.base))


def render_task(payload: bytes) -> bytes:
    """The task `changelog.render`: from `payload` to what `rendered` reads."""
    asked = msgspec.msgpack.decode(payload, type=_Payload)
    site = Site(title=asked.title, base=asked.base)
    return msgspec.msgpack.encode(package_files(decode(asked.document), site))


def rendered(result: bytes) -> dict[str, bytes]:
    """The files that `render_task` made. Raises ValueError when *result* is something else."""
    return msgspec.msgpack.decode(result, type=dict[str, bytes])
