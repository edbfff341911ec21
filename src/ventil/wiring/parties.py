"""The providers of a run, each with its transport and its governor as it was stored."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial

from ventil import providers
from ventil.adapters.sql import SqlStore
from ventil.changelog.together import Questions
from ventil.engine.run import Party
from ventil.ports import Reporter
from ventil.wiring.workshop import Workshop, policy_for, user_agent


def parties_of(
    workshop: Workshop, names: Iterable[str], store: SqlStore, reporter: Reporter
) -> list[Party]:
    """The parties called *names*; the reporter is told what a person should know of them."""
    from ventil.adapters.http import HttpTransport

    parties = []
    silent = []
    for name in names:
        api = providers.asked(name)
        settings = workshop.settings.provider(name)
        governor, trouble = workshop.governor(name, store)
        if trouble:
            reporter.note(trouble)
        if api.profile.wants_contact and not (settings.contact or settings.loopback):
            silent.append(name)
        credential = settings.credential
        transport = HttpTransport(
            workshop.base_url(name),
            user_agent=user_agent(settings),
            timeout_s=settings.timeout_s,
            connections=settings.max_in_flight,
            authorization=f"Bearer {credential.read(os.environ)}" if credential else None,
        )
        combiner = Questions() if name == "github" and credential else None
        key = workshop.provider_key(name)
        limits = store.provider(key).limits
        policy = partial(policy_for, workshop, name)
        parties.append(Party(api, key, governor, transport, combiner, limits, policy))
    if silent:
        title = providers.asked(silent[0]).profile.title if len(silent) == 1 else "they"
        reporter.note(
            f"no contact is set: {title} cannot reach you before a ban; write contact = "
            f'"you@example.org" under [providers.{silent[0]}]'
            + (f", and for {', '.join(silent[1:])}" if silent[1:] else "")
        )
    return parties
