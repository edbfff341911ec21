"""Task tokens, kept out of every text that leaves: details, reports, notes, what is stored.

Whoever holds a token may answer for its record. A recipe gets the address in order to send it
to the provider; yet providers repeat it in what they answer, and recipes in what they report.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MASK = "{token}"

_TOKEN = r"[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"  # noqa: S105 - what one looks like
_SLASH = r"(?:\\*/|%(?:25)*2F)"  # as JSON escapes it, and quotes of that; as URLs do
_COLON = "(?::|%(?:25)*3A)"
_ANY = re.compile(rf"(callbacks{_SLASH}){_TOKEN}", re.IGNORECASE)


def without_addresses(text: str) -> str:
    """*text* without the tokens in whatever looks like an address for callbacks."""
    return _ANY.sub(rf"\1{MASK}", text)


def addresses_after(base: str) -> Callable[[str], str]:
    """A function that masks tokens that stand after *base*, plain or as JSON or URLs say it."""
    way = re.escape(base).replace(":", _COLON).replace("/", _SLASH)
    found = re.compile(rf"({way}{_SLASH}){_TOKEN}", re.IGNORECASE)

    def masked(text: str) -> str:
        return found.sub(rf"\1{MASK}", text)

    return masked
