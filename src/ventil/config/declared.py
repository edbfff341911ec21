"""Every setting: its type, bounds, default and meaning. The reference page is made of this.

A table holds what one TOML table may hold. A provider's values are None when nobody set
them: then the provider's shipped profile counts.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ventil.core import calendar
from ventil.core.duration import parse_duration
from ventil.core.quota import BadQuota, Quota
from ventil.errors import SettingError

DEFAULT_CALLBACKS = "http://127.0.0.1:8124"
DEFAULT_DATABASE = "sqlite:///.ventil/ventil.sqlite"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is kept; never the secret itself, so it may be printed.

    `kind` is "env" (an environment variable's name) or "file" (a path).
    """

    kind: str
    name: str

    @classmethod
    def parse(cls, text: object) -> SecretRef:
        """Read ``env:NAME`` or ``file:PATH``. Raises ValueError without showing the text."""
        kind, _, name = text.strip().partition(":") if isinstance(text, str) else ("", "", "")
        if not (kind == "env" and _VARIABLE.fullmatch(name)) and not (kind == "file" and name):
            raise ValueError('must say where the secret is: "env:NAME" or "file:PATH"')
        return cls(kind, name)

    def read(self, environ: Mapping[str, str]) -> str:
        """The secret, without white space around it.

        Raises `SettingError` when it is not there or empty.
        """
        try:
            secret = (
                environ.get(self.name, "")
                if self.kind == "env"
                else Path(self.name).read_text(encoding="utf-8")
            ).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"credential = '{self}': cannot be read: {error}") from None
        if not secret:
            raise SettingError(f"credential = '{self}': there is nothing in it")
        return secret

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def is_loopback(url: str) -> bool:
    """Whether the host is this machine by its address: 127.0.0.0/8, ::1 or localhost."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_secret(url: str) -> str:
    """The URL with its password, and anything else before the @, taken out.

    What is no URL, for want of its //, loses all before the @.
    """
    start, slashes, rest = url.partition("//")
    if not slashes:
        start, rest = "", url
    _, at, host = rest.rpartition("@")
    return f"{start}{slashes}***@{host}" if at else url


def _base_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = value.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:  # its words may repeat a part of the value, a password say
        raise ValueError("is not a URL") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError('must hold no secret; write credential = "env:NAME" instead')
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ValueError("must be an http or https URL of a host and perhaps a path")
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise ValueError("must be a percent-encoded URL")
    return url


def _database_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = value.strip()
    if url.startswith("sqlite://"):
        path = url.removeprefix("sqlite://").partition("?")[0]
        if not path.startswith("/") or path in ("/", "/:memory:") or path.endswith("/"):
            raise ValueError("must name a file: sqlite:///PATH, or sqlite:////ABSOLUTE/PATH")
    elif "://" not in url:
        file = "PATH" if "@" in url else url  # it may be one with a password, written badly
        raise ValueError(f"must be a URL; for a file of this name write sqlite:///{file}")
    elif not re.match(r"postgresql(\+psycopg)?://.", url):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    return url


def _quotas(value: object) -> object:
    quotas = _list(value)
    if not isinstance(quotas, list):
        return value
    try:
        return tuple(q if isinstance(q, Quota) else Quota.parse(str(q)) for q in quotas)
    except BadQuota as error:
        hint = f"; {error.hint or 'as in 5/s'}"
        raise ValueError(f"has a wrong part: {error.message}{hint}") from None


def _hours(value: object) -> object:
    rules = _list(value)
    if not isinstance(rules, list):
        return value
    for rule in rules:
        if not isinstance(rule, str):
            raise ValueError(
                f'has a wrong part: {rule!r}; write it as in "Mon-Fri 22:00-06:00 UTC"'
            )
        try:
            calendar.Hours.parse(rule)
        except SettingError as error:
            raise ValueError(f"has a wrong part: {error.message}; {error.hint}") from None
    return rules


def _share(value: object) -> object:
    """5% or 0.05, as a share of 1."""
    if isinstance(value, str):
        text = value.strip()
        try:
            return float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            raise ValueError('is no share; write it as in "5%" or 0.05') from None
    if isinstance(value, bool):
        raise ValueError('is no share; write it as in "5%" or 0.05')
    return value


def _contact(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(
        r"[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?", value
    ):
        raise ValueError("must be 1 to 200 printable ASCII characters on one line")
    return value


def _title(value: object) -> object:
    if isinstance(value, str) and not (0 < len(value.strip()) <= 200 and value.isprintable()):
        raise ValueError("must be 1 to 200 printable characters on one line")
    return value.strip() if isinstance(value, str) else value


def _list(value: object) -> object:
    """A list as it is; a text (from the environment, say) as JSON or split at commas."""
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple) else value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("is not a list; write it as in a, b") from None
    return [part.strip() for part in value.split(",") if part.strip()]


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


Duration = Annotated[float, BeforeValidator(parse_duration)]
Whole = Annotated[int, BeforeValidator(_no_bool)]
Quotas = Annotated[tuple[Quota, ...], BeforeValidator(_quotas)]
Hours = Annotated[tuple[str, ...], BeforeValidator(_hours)]
Share = Annotated[float, BeforeValidator(_share)]
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
DatabaseUrl = Annotated[str, BeforeValidator(_database_url)]
Contact = Annotated[str, BeforeValidator(_contact)]
Title = Annotated[str, BeforeValidator(_title)]
Credential = Annotated[SecretRef, BeforeValidator(SecretRef.parse)]

KINDS: Mapping[Any, str] = {
    Duration: "duration",
    Whole: "whole number",
    Quotas: "list of quotas",
    Hours: "list of hours",
    Share: "share",
    BaseUrl: "URL",
    DatabaseUrl: "URL",
    Contact: "text",
    Title: "text",
    Credential: "reference to a secret",
    bool: "true or false",
}
"""What the reference calls each type."""


class Table(BaseModel):
    """What one TOML table may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class TopTable(Table):
    """The keys outside any table."""

    database_url: DatabaseUrl = Field(
        DEFAULT_DATABASE,
        description="Where runs, samples and the governor's memory are kept. A relative"
        " SQLite path starts at the working directory.",
        examples=["sqlite:///.ventil/ventil.sqlite"],
    )
    callback_url: BaseUrl = Field(
        DEFAULT_CALLBACKS,
        description="Where providers reach `ventil serve`: what stands before /callbacks/ in"
        " the addresses that they are given to answer later.",
        examples=["https://hooks.example.org"],
    )


class RunSettings(Table):
    """How a run is cut up and how often it tries."""

    chunk_size: Whole = Field(
        100,
        ge=1,
        le=100_000,
        description="Records that are scheduled, retried and checkpointed as one. Made larger"
        " where a run would have more than some thousand chunks.",
    )
    chunks_at_once: Whole = Field(
        10, ge=1, le=1000, description="Chunks that are worked on at the same time."
    )
    retries: Whole = Field(
        1,
        ge=0,
        le=10,
        description="How often the failed part of a chunk is asked for again before its"
        " records go to the failure queue.",
    )
    retry_delay_s: Duration = Field(
        300.0,
        alias="retry_delay",
        ge=0,
        le=7 * 86_400,
        description="Time between a chunk's failure and its retry; others go on meanwhile.",
    )
    tries: Whole = Field(
        2,
        ge=1,
        le=10,
        description="Tries of one request within an attempt, as long as the provider is"
        " otherwise well.",
    )
    reach_within_s: Duration = Field(
        60.0,
        alias="reach_within",
        ge=0,
        le=86_400,
        description="How long to go on trying a provider that has never answered in this run"
        " before the run is suspended.",
    )
    ledger_days: Whole = Field(
        35,
        ge=1,
        le=36_500,
        description="Days that settled samples are kept. The last good value of a record is"
        " kept longer.",
    )


class ChangelogSettings(Table):
    """The site of changelogs."""

    base_url: BaseUrl | None = Field(
        None,
        description="Where the site will be read. Feeds need it for absolute links, and for"
        " ids of their own: set it before the first feed is read by anybody.",
        examples=["https://changes.example.org"],
    )
    title: Title = Field("Changelogs", description="What stands above the site and its feed.")


class ProviderTable(Table):
    """One provider, as the user changes it. None: as shipped."""

    base_url: BaseUrl | None = Field(
        None,
        description="Where the API is; a path is put before every request's own. A loopback"
        " address is nobody's API: limits may be loosened there without permission.",
        examples=["http://127.0.0.1:8123"],
    )
    quotas: Quotas | None = Field(
        None,
        description="Requests per window, any number of windows, all kept at once. The list"
        " replaces the shipped one.",
        examples=[["0.45/s", "5000/h"]],
    )
    max_in_flight: Whole | None = Field(
        None, ge=1, le=10_000, description="Most requests in flight at once."
    )
    latency_objective_s: Duration | None = Field(
        None,
        alias="latency_objective",
        ge=0.001,
        le=3600,
        description="Usual (median) answer time above which fewer requests are sent at once,"
        " even where more would go through.",
        examples=["2s"],
    )
    error_objective: Share | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of failing answers above which fewer requests are sent at once.",
        examples=["5%"],
    )
    cooldown_s: Duration | None = Field(
        None,
        alias="cooldown",
        ge=0,
        le=31 * 86_400,
        description="Pause after a throttle or ban that names no time.",
    )
    timeout_s: Duration | None = Field(
        None,
        alias="timeout",
        ge=0.05,
        le=3600,
        description="Longest time for one answer, from sending to its last byte.",
    )
    access: Hours | None = Field(
        None,
        description="Hours in which requests may be sent, and at no other time.",
        examples=[["Mon-Fri 22:00-06:00 Europe/Zurich"]],
    )
    maintenance: Hours | None = Field(
        None,
        description="Hours in which nothing is sent.",
        examples=[["Sun 02:00-04:00 UTC"]],
    )
    contact: Contact | None = Field(
        None,
        description="Whom the provider can write to; goes into the User-Agent.",
        examples=["ops@example.org"],
    )
    credential: Credential | None = Field(
        None,
        description="Where the secret for this provider is kept: an environment variable or"
        " a file. The secret itself never stands in a setting.",
        examples=["env:NPM_TOKEN"],
    )
    i_have_permission: bool = Field(
        False,
        description="Says that the provider allows more than what is shipped: without it, a"
        " looser limit is an error.",
    )
