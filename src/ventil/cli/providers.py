"""`ventil providers`: the APIs, their limits, their state; pause and resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ventil.cli.console import about, number, print_json, print_table, put, say
from ventil.cli.runs import backlog_data, backlog_words, open_workshop
from ventil.cli.stats import Config, Database, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ventil.core.scale import Scale
    from ventil.wiring import Workshop
    from ventil.wiring.backlog import Backlog

Name = Annotated[str, Parameter(help="The provider, such as npm-downloads.")]


def add_to(app: App) -> None:
    """Add the commands to the app."""
    group = App(name="providers", help="The APIs: list, show, pause, resume, set.")
    group.default(list_)
    group.command(list_, name="list")
    group.command(show)
    group.command(pause)
    group.command(resume)
    group.command(set_, name="set")
    app.command(group)


def list_(*, database: Database = None, config: Config = None, json: Json = False) -> int:
    """List the providers with their limits and state.

    Example: ventil providers list
    """
    workshop = open_workshop(database, config)
    found = [_data(workshop, name) for name in sorted(workshop.settings.providers)]
    if json:
        print_json(found)
        return 0
    print_table(
        ("provider", "quotas", "in flight", "state"),
        [
            (d["provider"], ", ".join(d["quotas"]) or "none", d["max_in_flight"], d["state"])
            for d in found
        ],
    )
    return 0


def show(
    provider: Name = "npm-downloads",
    *,
    database: Database = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Show a provider: limits, where they come from, and what its governor thinks now.

    Example: ventil providers show npm-downloads
    """
    workshop = open_workshop(database, config)
    data = _data(workshop, provider)
    data["etiquette"] = list(workshop.etiquette(provider))
    if json:
        print_json(data)
        return 0
    for name in ("provider", "key", "base_url", "state", "breaker", "max_in_flight", "contact"):
        put(f"{name:14} {data[name] if data[name] is not None else '-'}")
    put(f"{'quotas':14} {', '.join(data['quotas']) or 'none'}")
    put(f"{'backlog':14} {backlog_words(data['backlog'])}")
    put(f"{'dropped':14} {number(data['dropped'])}")
    if data["scale"] is not None:
        put(f"{'slots':14} {_scale_words(data['scale'])}")
    put(f"{'cooldown':14} {about(data['cooldown_s'])}")
    put(f"{'timeout':14} {about(data['timeout_s'])}")
    for key, origin in data["sources"].items():
        put(f"{'':14} {key} comes from {origin}")
    put("what is known of it:")
    for line in data["etiquette"]:
        put(f"  - {line}")
    return 0


def pause(
    provider: Name,
    *,
    reason: Annotated[
        str, Parameter(help="Why; shown wherever a run waits for it.")
    ] = "by hand",
    database: Database = None,
    config: Config = None,
) -> int:
    """Let nothing more out to a provider; a run under way waits.

    Example: ventil providers pause npm-downloads --reason "asked by their staff"
    """
    say(f"{_set_pause(provider, reason, database, config)} is paused: {reason}")
    return 0


def resume(provider: Name, *, database: Database = None, config: Config = None) -> int:
    """Let requests out to a paused provider again.

    Example: ventil providers resume npm-downloads
    """
    say(f"{_set_pause(provider, None, database, config)} goes on")
    return 0


def set_(
    provider: Name,
    *limits: Annotated[
        str,
        Parameter(help="KEY=VALUE: quotas, max_in_flight, cooldown or maintenance."),
    ],
    unset: Annotated[
        list[str] | None,
        Parameter(negative="", help="Let the settings say this again; may be given often."),
    ] = None,
    database: Database = None,
    config: Config = None,
) -> int:
    """Tighten a provider's limits from now on, also for the runs under way.

    What is set is kept in the state database, on top of the settings. It can only tighten
    them, unless they say i_have_permission = true. Without KEY=VALUE it says what is set.

    Example: ventil providers set npm-downloads quotas=0.2/s max_in_flight=1
    """
    workshop = open_workshop(database, config)
    key, stored = workshop.set_limits(provider, limits, unset or ())
    for name, value in stored.items():
        put(f"{name} = {value}")
    say(f"{key}: " + ("set" if stored else "nothing is set; as the settings say"))
    return 0


def _set_pause(provider: str, reason: str | None, database: Database, config: Config) -> str:
    """Pause a provider, or let it go on (None); its key."""
    workshop = open_workshop(database, config)
    key = workshop.provider_key(provider)
    store = workshop.store()
    store.pause_provider(key, reason)
    store.close()
    return key


def _scale_words(scale: Mapping[str, Any]) -> str:
    where = "" if scale["workers"] == 1 else f" at {scale['workers']} workers"
    words = f"{scale['slots_usable']} could be used now; {scale['slots_used']} are"
    return f"{words}, of {scale['slots']}{where}"


def _left_to_do(backlog: Backlog, scale: Scale) -> dict[str, Any]:
    """What waits for a provider, and how many slots could be used for it."""
    from ventil.core.scale import BATCH_SHARE, INTERACTIVE_SHARE

    return {
        "backlog": {"runs": backlog.runs, **backlog_data(backlog)},
        "dropped": backlog.dropped,
        "scale": {
            "workers": scale.workers,
            "slots": scale.slots,
            "slots_used": scale.used,
            "slots_usable": scale.usable,
            "utilisation": scale.utilisation,
            "interactive": scale.slots_for(INTERACTIVE_SHARE),
            "batch": scale.slots_for(BATCH_SHARE),
        },
    }


def _data(workshop: Workshop, name: str) -> dict[str, Any]:
    from ventil.wiring.backlog import of_provider

    key = workshop.provider_key(name)
    store = workshop.store() if workshop.has_store else None
    settings, limits = workshop.as_set(name, store)
    governor, _ = workshop.governor(name, store)
    paused = store.provider(key).paused if store else None
    left: dict[str, Any] = {"backlog": backlog_data(None), "dropped": 0, "scale": None}
    if store is not None:
        left = _left_to_do(*of_provider(workshop, name, store, governor))
    if store is not None:
        store.close()
    condition = governor.condition(workshop.clock.now_s())
    prefix = f"providers.{name}."
    return {
        "provider": name,
        "key": key,
        "base_url": workshop.base_url(name),
        "quotas": [str(quota) for quota in settings.quotas],
        "max_in_flight": settings.max_in_flight,
        "cooldown_s": settings.cooldown_s,
        "timeout_s": settings.timeout_s,
        "contact": settings.contact,
        "paused": paused,
        "state": f"paused: {paused}" if paused is not None else condition.words,
        "breaker": condition.breaker,
        "gate_until_s": condition.gate_until_s,
        "next_probe_s": condition.next_probe_s,
        **left,
        "sources": {
            k.removeprefix(prefix): v
            for k, v in workshop.settings.sources.items()
            if k.startswith(prefix) and v not in ("the shipped profile", "the default")
        }
        | dict.fromkeys(limits, "ventil providers set"),
        "set": limits,
    }
