"""As much of a GraphQL server as GitHub's clients need for repositories; not the client's code.

The language is read after spec.graphql.org (October 2021): a query with selections,
aliases, arguments of strings, numbers, names and objects, and inline fragments. Fields that
are not known are an error of the whole request, as they are at GitHub.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from ventil.sim.hosts.world import Repo, World

_TOKEN = re.compile(
    r'\s*(?:(\.\.\.)|([A-Za-z_]\w*)|(-?\d+)|("(?:[^"\\]|\\.)*")|([{}():,\[\]])|(\S))'
)
_TEXT_BYTES = 512_000  # from here on GitHub cuts the text of a blob off


class BadQuery(Exception):
    """The query cannot be read, or asks for what there is not."""


@dataclass(slots=True)
class Field:
    """A field of a selection; `on` is a fragment's type, where it is one."""

    name: str
    alias: str
    arguments: dict[str, Any] = field(default_factory=dict)
    selection: list[Field] = field(default_factory=list)
    on: str | None = None


@dataclass(slots=True)
class Result:
    """What a query gave: data and errors, its cost in points, and how heavy it was."""

    data: dict[str, Any]
    errors: list[dict[str, Any]]
    points: int
    aliases: int
    bytes: int


def parse(text: str) -> list[Field]:
    """The fields of a query's outermost selection. Raises BadQuery."""
    tokens = _tokens(text)
    if tokens[:1] == ["query"]:
        tokens.pop(0)
        if tokens[:1] and tokens[0] != "{":
            tokens.pop(0)  # the operation's name
    selection = _selection(tokens)
    if tokens:
        raise BadQuery("something follows the query")
    return selection


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match[6]:
            raise BadQuery(f"unexpected {text[at : at + 20]!r}")
        if match[0].strip() != ",":
            found.append(match[0].strip())
        at = match.end()
    return found


def _expect(tokens: list[str], token: str) -> None:
    if not tokens or tokens.pop(0) != token:
        raise BadQuery(f"expected {token!r}")


def _selection(tokens: list[str]) -> list[Field]:
    _expect(tokens, "{")
    fields: list[Field] = []
    while tokens and tokens[0] != "}":
        name = tokens.pop(0)
        if name == "...":
            _expect(tokens, "on")
            on = tokens.pop(0)
            fields.append(Field("...", "...", selection=_selection(tokens), on=on))
            continue
        alias = name
        if tokens[:1] == [":"]:
            tokens.pop(0)
            name = tokens.pop(0)
        one = Field(name, alias)
        if tokens[:1] == ["("]:
            tokens.pop(0)
            while tokens and tokens[0] != ")":
                key = tokens.pop(0)
                _expect(tokens, ":")
                one.arguments[key] = _value(tokens)
            _expect(tokens, ")")
        if tokens[:1] == ["{"]:
            one.selection = _selection(tokens)
        fields.append(one)
    _expect(tokens, "}")
    return fields


def _value(tokens: list[str]) -> Any:
    first = tokens.pop(0)
    if first.startswith('"'):
        return json.loads(first)
    if first == "{":
        table: dict[str, Any] = {}
        while tokens and tokens[0] != "}":
            key = tokens.pop(0)
            _expect(tokens, ":")
            table[key] = _value(tokens)
        _expect(tokens, "}")
        return table
    return int(first) if re.fullmatch(r"-?\d+", first) else first


def execute(query: str, world: World) -> Result:
    """Run a query over the repositories of a world. Raises BadQuery."""
    result = Result({}, [], 1, 0, 0)
    connections = 0
    for asked in parse(query):
        if asked.name != "repository":
            raise BadQuery(f"Field '{asked.name}' doesn't exist on type 'Query'")
        result.aliases += 1
        path = f"{asked.arguments['owner']}/{asked.arguments['name']}"
        repo = world.repos.get(("github", path.lower()))
        if repo is None or not repo.exists:
            result.data[asked.alias] = None
            message = f"Could not resolve to a Repository with the name '{path}'."
            result.errors.append(
                {"type": "NOT_FOUND", "path": [asked.alias], "message": message}
            )
            continue
        files = {} if repo.empty else repo.files()
        told: dict[str, Any] = {}
        for one in asked.selection:
            if one.name == "releases":
                connections += 1
                told[one.alias] = _releases(repo, one)
            else:
                told[one.alias] = _repository_field(repo, one, files)
        result.data[asked.alias] = told
    result.points = max(1, round(connections / 100))
    result.bytes = len(json.dumps(result.data))
    return result


def _repository_field(repo: Repo, one: Field, files: dict[str, bytes | None]) -> Any:
    if one.name == "nameWithOwner":
        return repo.path
    if one.name in ("isArchived", "isEmpty"):
        return repo.empty if one.name == "isEmpty" else False
    if one.name == "object":
        return _object(one, files)
    raise BadQuery(f"Field '{one.name}' doesn't exist on type 'Repository'")


def _object(one: Field, files: dict[str, bytes | None]) -> dict[str, Any] | None:
    ref, _, path = str(one.arguments["expression"]).partition(":")
    if ref not in ("HEAD", "main"):
        return None
    fragment = one.selection[0] if one.selection else Field("", "")
    if path in files:
        if fragment.on != "Blob":
            return {}
        content = files[path]
        data = b"filler\n" if content is None else content
        return {
            "oid": hashlib.sha1(data).hexdigest(),  # noqa: S324 - as git names it
            "byteSize": len(data),
            "isBinary": False,
            "isTruncated": len(data) > _TEXT_BYTES,
            "text": data[:_TEXT_BYTES].decode(),
        }
    entries = tree_entries(files, path)
    if not entries:
        return None
    return {"entries": entries} if fragment.on == "Tree" else {}


def tree_entries(files: dict[str, bytes | None], folder: str) -> list[dict[str, str]]:
    """The entries of one folder: name and type (blob or tree)."""
    top = f"{folder}/" if folder else ""
    found: dict[str, str] = {}
    for path in files:
        if path.startswith(top):
            name, slash, _ = path[len(top) :].partition("/")
            found[name] = "tree" if slash else "blob"
    return [{"name": name, "type": kind} for name, kind in sorted(found.items())]


def _releases(repo: Repo, one: Field) -> dict[str, Any]:
    first = int(one.arguments.get("first", 10))
    if not 1 <= first <= 100:
        raise BadQuery("`first` must be between 1 and 100")
    names = {
        "tagName": "tag",
        "name": "name",
        "description": "body",
        "publishedAt": "published",
        "isPrerelease": "prerelease",
    }
    nodes = []
    wanted = one.selection[0].selection
    for release in repo.releases()[:first]:
        node: dict[str, Any] = {}
        for field_ in wanted:
            if field_.name == "isDraft":
                node[field_.alias] = False
            elif field_.name in names:
                node[field_.alias] = getattr(release, names[field_.name])
            else:
                raise BadQuery(f"Field '{field_.name}' doesn't exist on type 'Release'")
        nodes.append(node)
    return {"nodes": nodes}
