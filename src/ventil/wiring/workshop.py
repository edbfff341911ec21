"""What a command works with: settings, clock, state database, locks, governors."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from ventil import __version__, providers
from ventil.adapters import shared_lock
from ventil.adapters.clock import SteadyClock
from ventil.adapters.lock import StateLock
from ventil.adapters.postgres import is_postgres
from ventil.adapters.shared_lock import SharedLock
from ventil.adapters.sql import (
    SqlStore,
    database_place,
    has_database,
    open_store,
    upgrade_database,
)
from ventil.config import registries
from ventil.config.load import ProviderSettings, Settings, Shipped, load_settings
from ventil.config.tightened import changed, read, tightened
from ventil.core.calendar import Calendar
from ventil.core.governor import BadGovernorState, Governor, GovernorState, Policy
from ventil.core.quota import Quota
from ventil.engine.gate import LEASE_S


class Workshop:
    """Everything a command needs, made from the settings and joined once."""

    def __init__(self, settings: Settings, *, ahead_s: float = 0.0) -> None:
        self.settings = settings
        self._ahead_s = ahead_s
        self.stop: Callable[[Exception], None] | None = None
        """Ends the run under way with an error; None while there is none."""

    @classmethod
    def load(
        cls,
        flags: Mapping[str, object],
        *,
        config_file: Path | None = None,
        ahead_s: float = 0.0,
    ) -> Workshop:
        """Read the settings. Raises SettingError.

        `ahead_s` puts the clock forward, to practise another day.
        """
        return cls(
            load_settings(
                flags=flags,
                environ=os.environ,
                cwd=Path.cwd(),
                config_file=config_file,
                profiles=_shipped(),
                ignored_variables=frozenset({"VENTIL_CRASH_AT"}),
            ),
            ahead_s=ahead_s,
        )

    @property
    def shared(self) -> bool:
        """Whether the state database is a server's, for many workers."""
        return is_postgres(self.settings.database_url)

    @cached_property
    def clock(self) -> SteadyClock:
        """This machine's time; on a shared database the database's."""
        ahead_s = self._ahead_s
        if self.shared:
            ahead_s += shared_lock.ahead_s(self.settings.database_url)
        return SteadyClock(ahead_s=ahead_s)

    # -- opening ---------------------------------------------------------------------

    def store(self, *, create: bool = True) -> SqlStore:
        """The state database. Raises StateError, SettingError."""
        return open_store(self.settings.database_url, create=create)

    @property
    def has_store(self) -> bool:
        """Whether a state database stands already."""
        return has_database(self.settings.database_url)

    def upgrade_database(self) -> tuple[int, int, str]:
        """Create or upgrade its tables; the schema before (0: none) and after, its place."""
        url = self.settings.database_url
        return *upgrade_database(url), database_place(url)

    def check_sessions(self) -> None:
        """Raise WrongDatabase when a pooler before a shared database keeps no sessions."""
        shared_lock.check_sessions(self.settings.database_url)

    def lock(self) -> StateLock | SharedLock:
        """The lock of the state folder: one runner at a time. On a server, of each job."""
        if self.shared:
            return SharedLock(self.settings.database_url)
        return StateLock(self.settings.state_dir)

    def etiquette(self, name: str) -> tuple[str, ...]:
        """What is known of a provider's rules, each with source and date."""
        return providers.asked(name).profile.etiquette

    def wants_contact(self, name: str) -> bool:
        """Whether a provider asks for a way to reach the person behind the requests."""
        return providers.asked(name).profile.wants_contact

    def base_url(self, name: str) -> str:
        """Where a provider is asked; a registry that none is set for, as its client is."""
        settings = self.settings.provider(name)
        if settings.base_url:
            return settings.base_url
        if name == "pypi":
            return registries.pypi(os.environ, Path.cwd())
        return registries.npm_registry(os.environ, Path.cwd())

    def provider_key(self, name: str) -> str:
        """The unit of politeness: the provider's name and the host it is asked at."""
        return f"{name}@{urlsplit(self.base_url(name)).netloc}"

    def as_set(
        self, name: str, store: SqlStore | None
    ) -> tuple[ProviderSettings, dict[str, str]]:
        """A provider's settings with what is set at run time, and that alone."""
        settings = self.settings.provider(name)
        row = None if store is None else store.provider(self.provider_key(name))
        limits = None if row is None else row.limits
        return tightened(settings, limits), read(limits)

    def set_limits(
        self, name: str, pairs: Sequence[str], unset: Sequence[str]
    ) -> tuple[str, dict[str, str]]:
        """Set a provider's limits at run time; its key, and all that is set of it now.

        Raises SettingError for what would allow more than the settings, without permission.
        """
        key, settings = self.provider_key(name), self.settings.provider(name)
        store = self.store()
        try:
            before = store.provider(key).limits
            after = changed(before, pairs, unset, settings)
            if after != before:
                store.limit_provider(key, after)
        finally:
            store.close()
        return key, read(after)

    def governor(self, name: str, store: SqlStore | None) -> tuple[Governor, str | None]:
        """A governor in its persisted state; the words say when that could not be read."""
        now_s = self.clock.now_s()
        row = None if store is None else store.provider(self.provider_key(name))
        policy = policy_for(self, name, None if row is None else row.limits)
        if row is None or row.state is None:
            return Governor(policy, now_s), None
        try:
            state = GovernorState.from_json(row.state)
            return Governor(policy, now_s, state=state, lost_s=LEASE_S), None
        except BadGovernorState as error:
            return (
                Governor(policy, now_s),
                f"the stored state of {name} is not used: {error}",
            )


def policy_for(workshop: Workshop, name: str, limits: str | None = None) -> Policy:
    """The policy of one provider, with what is stored of *limits* that a person has set."""
    settings = tightened(workshop.settings.provider(name), limits)
    return policy_of(settings, providers.anonymous_quotas(name))


def policy_of(settings: ProviderSettings, anonymous: tuple[str, ...] = ()) -> Policy:
    """The governor's policy from a provider's settings.

    *anonymous* quotas hold for those without a credential, except on loopback and where
    the provider has permitted more.
    """
    known = settings.credential or settings.loopback or settings.i_have_permission
    return Policy(
        quotas=settings.quotas + (() if known else tuple(map(Quota.parse, anonymous))),
        max_in_flight=settings.max_in_flight,
        cooldown_s=settings.cooldown_s,
        timeout_s=settings.timeout_s,
        calendar=Calendar.parse(settings.access, settings.maintenance),
        latency_objective_s=settings.latency_objective_s,
        error_objective=settings.error_objective,
    )


def user_agent(settings: ProviderSettings) -> str:
    """Who we are, and whom to write to."""
    contact = f" (mailto:{settings.contact})" if settings.contact else ""
    return f"ventil/{__version__}{contact}"


def _shipped() -> Mapping[str, Shipped]:
    return providers.profiles()
