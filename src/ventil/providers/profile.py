"""What is known of a provider before the first request, and what a provider is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ventil.core.exchange import Fetch, Outcome, Reply, Request
from ventil.core.model import Good
from ventil.core.period import Period


@dataclass(frozen=True, slots=True)
class Profile:
    """The shipped settings of a provider; a user may tighten each of them.

    `quotas` are texts as in the settings ("0.45/s"); all of them are kept. `cooldown_s` is
    the pause after a throttle or ban that names no time, `timeout_s` the longest a request
    may take. `latency_s` is a usual answer's time, for estimates only. `wants_contact`:
    the provider asks for a way to reach the person behind the requests, in the User-Agent.
    `etiquette` holds what is known of its rules, each with source and date. A `base_url` of
    "" is the user's own to say: see `ventil.config.registries`.
    """

    name: str
    title: str
    base_url: str
    quotas: tuple[str, ...]
    max_in_flight: int
    cooldown_s: float
    timeout_s: float
    latency_s: float
    wants_contact: bool
    etiquette: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Api:
    """An API that is asked about many things, and not for numbers of a period.

    `judge(request, reply, now_s)`: a reply's meaning to the governor. `anonymous_quotas`
    hold, beside the profile's, while no credential is configured.
    """

    profile: Profile
    judge: Callable[[Request, Reply, float], Outcome]
    anonymous_quotas: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The profile's name, as in settings and on the command line."""
        return self.profile.name


@dataclass(frozen=True, slots=True)
class Provider:
    """An API we don't own: its profile, and pure functions that know its manners.

    `ecosystem`: the key in the artefact and the package URL type.
    `name_fault(name)`: why a name cannot be asked about; None when it can.
    `period_fault(period)`: why the API cannot answer for a period; None when it can.
    `batches(names)`: the names cut into what one request each asks about.
    `judge(request, reply, now_s)`: a reply's meaning to the governor.
    `fetch(keys, period, good)`: the recipe; `good` has the last good values of the same
    period name. What it yields as known and what it returns is one sample for each key.
    """

    profile: Profile
    ecosystem: str
    name_fault: Callable[[str], str | None]
    period_fault: Callable[[Period], str | None]
    batches: Callable[[Iterable[str]], Iterator[tuple[str, ...]]]
    judge: Callable[[Request, Reply, float], Outcome]
    fetch: Callable[[Sequence[str], Period, Mapping[str, Good]], Fetch]

    @property
    def name(self) -> str:
        """The profile's name, as in settings and on the command line."""
        return self.profile.name
