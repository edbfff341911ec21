"""Which names can be packages at npm.

The rules are those of npm's own `validate-npm-package-name` with what it calls "valid for
old packages": names that were published before the rules were tightened still have
downloads. Of 226,974 real names (autumn 2026), 141 unscoped ones have capitals
(`Base64`, `JSONStream`) and no scoped one has.

Two rules matter beyond tidiness. A dot segment (`@x/..`) collapses in the URL, and the
API answers with the *whole registry's* total (nice-registry/download-counts,
buildAndRelease.js). A comma would be read as a list.
"""

from __future__ import annotations

import re

MAX_LENGTH = 214

_BLOCKED = frozenset({"node_modules", "favicon.ico"})
_VALID = re.compile(
    # unscoped, capitals and ~'!()* for the old ones | scoped, as accepted since 2014
    r"[A-Za-z0-9~'!()*-][A-Za-z0-9._~'!()*-]{0,213}"
    r"|@[a-z0-9~-][a-z0-9._~-]*/[a-z0-9_~-][a-z0-9._~-]*",
    re.ASCII,
)
_UNSAFE = re.compile(r"[^A-Za-z0-9._~'!()*-]", re.ASCII)
_OLD_ONLY = re.compile(r"['!()*]")


def name_fault(name: str) -> str | None:
    """Why *name* cannot be a package at npm, for a person; None when it can.

    It says nothing on whether there is such a package.
    """
    if (
        len(name) <= MAX_LENGTH
        and _VALID.fullmatch(name) is not None
        and name.lower() not in _BLOCKED
    ):
        return None
    return _explain(name)


def _explain(name: str) -> str:
    if not name.strip():
        return "is empty"
    if len(name) > MAX_LENGTH:
        return f"is {len(name)} characters long, and npm allows {MAX_LENGTH}"
    if any(not character.isprintable() for character in name):
        return "holds a control character or another unprintable one"
    if any(character.isspace() for character in name):
        return "holds white space"
    if name.lower() in _BLOCKED:
        return "is a name that npm does not allow"
    scope, slash, bare = name.rpartition("/")
    if name.startswith("@"):
        if not slash or not bare or len(scope) < 2:
            return "is not of the form @scope/name"
        return _explain_part("its scope", scope[1:]) or _explain_part("the part after /", bare)
    if slash:
        return "holds a / but no scope: scoped names are written @scope/name"
    if name[0] in "._":
        return f"starts with {name[0]!r}"
    return _unsafe("it", name)


def _explain_part(what: str, part: str) -> str:
    if part in (".", ".."):
        return f"{what} is a dot segment, which would ask for the whole registry's total"
    if part[0] == "." or (part[0] == "_" and what == "its scope"):
        return f"{what} starts with {part[0]!r}"
    if _UNSAFE.search(part):
        return _unsafe(what, part)
    if part != part.lower():
        return f"{what} holds a capital letter, which no scoped name has"
    if _OLD_ONLY.search(part):
        return f"{what} holds one of '!()*, which no scoped name has"
    return ""


def _unsafe(what: str, part: str) -> str:
    found = _UNSAFE.search(part)
    # Every rule of the pattern has its explanation above; the last word is a safe net.
    character = f" {found.group()!r}" if found else " something"
    return f"{what} holds{character} that a URL does not carry as it is"
