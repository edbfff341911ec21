"""Asking GitHub about many repositories in one request.

GitHub's GraphQL API costs a point for a hundred connections (docs.github.com/graphql,
rate limits and query limits, read 2026-11), so that a request can tell of 50 repositories
what REST tells in 100 requests. Each repository stands under an alias of its own; an error
about one (renamed away, deleted) leaves the others whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ventil.changelog.finder.model import Ask, RepositoryQuery
from ventil.core.exchange import Fault, FaultKind, Reply, Request

MOST_LOOKS = 50
"""Repositories looked at in one request; more risk the ten seconds that GitHub allows."""

MOST_TEXTS = 15
"""Repositories whose texts or releases are in one request: 15 MB of answer are a lot."""

_BODY_BYTES = 32 * 1024 * 1024
_ENTRIES = "{ ... on Tree { entries { name type } } }"
_HEAVY = "... on Blob"


def ask(owner: str, name: str, selection: str) -> Ask:
    """The question about one repository, complete as it stands."""
    query = RepositoryQuery(owner, name, selection)
    return Ask("github", _request([query]), query=query)


def look(folders: Sequence[str], likely: str | None = None) -> str:
    """The selection that lists *folders* ("" is the root) and shows the latest releases.

    The text of the file *likely* comes along when there is one: the listing would name it
    nearly always, and it saves the second request.
    """
    trees = " ".join(
        f"t{number}: object(expression: {_quoted('HEAD:' + folder)}) {_ENTRIES}"
        for number, folder in enumerate(folders)
    )
    text = "" if likely is None else _text_of("likely", likely, "HEAD")
    return (
        f"nameWithOwner {trees} {text} releases(first: 3,"
        " orderBy: {field: CREATED_AT, direction: DESC}) { nodes { tagName description } }"
    )


def text_of(path: str, ref: str = "HEAD") -> str:
    """The selection for the text of a file."""
    return "nameWithOwner " + _text_of("file", path, ref)


def _text_of(alias: str, path: str, ref: str) -> str:
    return (
        f"{alias}: object(expression: {_quoted(f'{ref}:{path}')})"
        " { ... on Blob { oid byteSize isBinary isTruncated text } }"
    )


def releases(number: int) -> str:
    """The selection for the latest releases with their notes."""
    return (
        f"nameWithOwner releases(first: {min(number, 100)}, orderBy: {{field: CREATED_AT,"
        " direction: DESC}) { nodes { tagName name description publishedAt isPrerelease"
        " isDraft } }"
    )


def is_heavy(query: RepositoryQuery) -> bool:
    """Whether its answer holds texts, so that fewer of them go into one request."""
    return _HEAVY in query.selection or "publishedAt" in query.selection


def combine(asks: Sequence[Ask]) -> Ask:
    """One ask in place of *asks*, each of which has a query. Of one ask, itself."""
    if len(asks) == 1:
        return asks[0]
    queries = [ask.query for ask in asks if ask.query is not None]
    if len(queries) < len(asks):
        raise ValueError("an ask without a query cannot be combined with others")
    return Ask("github", _request(queries))


def split(asks: Sequence[Ask], reply: Reply) -> list[Reply | None] | None:
    """The replies to each of *asks*, as if it had been sent alone.

    None when the request failed as one because there was too much in it (a timeout, 502,
    504, an answer too large): it may succeed in halves. Any other failure is the reply to
    each. None in place of a reply: the answer is partial and left this one out, so that it
    is to be asked again.
    """
    if len(asks) == 1:
        return [reply]
    if isinstance(reply, Fault):
        too_much = reply.kind in (FaultKind.TIMEOUT, FaultKind.TOO_LARGE)
        return None if too_much else [reply] * len(asks)
    if reply.status in (502, 504):
        return None
    answer = _decode(reply.body)
    data = answer.get("data") if isinstance(answer, dict) else None
    if reply.status != 200 or not isinstance(answer, dict):
        return [reply] * len(asks)
    if not isinstance(data, dict):
        return None if _timed_out(answer) else [reply] * len(asks)
    errors = answer.get("errors")
    by_alias: dict[str, list[Any]] = {}
    for error in errors if isinstance(errors, list) else []:
        path = error.get("path") if isinstance(error, dict) else None
        if isinstance(path, list) and path and isinstance(path[0], str):
            by_alias.setdefault(path[0], []).append(error)
    parts: list[Reply | None] = []
    for number in range(len(asks)):
        alias = f"r{number}"
        repository, own = data.get(alias), by_alias.get(alias)
        if repository is None and not own:
            parts.append(None)
            continue
        body = {"data": {"r0": repository}, "errors": own or []}
        parts.append(replace(reply, body=msgspec.json.encode(body)))
    return parts


def repository_in(reply: Reply) -> dict[str, Any] | str:
    """The repository that a reply to one query tells of; or why it does not.

    The reason begins with "no such repository" when that is the answer.
    """
    if isinstance(reply, Fault):
        return f"{reply.kind}: {reply.detail}"
    answer = _decode(reply.body)
    if reply.status != 200 or not isinstance(answer, dict):
        return f"{reply.status} from GitHub"
    data, errors = answer.get("data"), answer.get("errors")
    repository = data.get("r0") if isinstance(data, dict) else None
    if isinstance(repository, dict):
        return repository
    for error in errors if isinstance(errors, list) else []:
        kind = error.get("type") if isinstance(error, dict) else None
        if kind == "NOT_FOUND":
            return "no such repository"
        if isinstance(kind, str):
            return f"GitHub says {re.sub('[^A-Z_]', '', kind.upper())[:40]}"
    return "an answer without the repository"


def _timed_out(answer: dict[str, Any]) -> bool:
    """A 200 that says that the query took too long (no type, a message of one kind)."""
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    message = first.get("message") if isinstance(first, dict) else None
    return isinstance(message, str) and (
        "couldn't respond to your request in time" in message
        or "Something went wrong while executing your query" in message
    )


def _request(queries: Sequence[RepositoryQuery]) -> Request:
    parts = " ".join(
        f"r{number}: repository(owner: {_quoted(query.owner)}, name: {_quoted(query.name)})"
        f" {{ {query.selection} }}"
        for number, query in enumerate(queries)
    )
    body = msgspec.json.encode({"query": f"query {{ {parts} }}"})
    return Request(
        "/graphql",
        method="POST",
        headers={"Content-Type": "application/json"},
        body=body,
        max_body_bytes=_BODY_BYTES,
    )


def _quoted(text: str) -> str:
    """A GraphQL string: the escapes of JSON (spec.graphql.org, String Value)."""
    return json.dumps(text)


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
