"""`ventil doctor`: is everything in place? Sends nothing to any provider."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from cyclopts import App

from ventil import __version__
from ventil.cli.console import print_json, put
from ventil.cli.runs import open_workshop
from ventil.cli.stats import Config, Database, Json
from ventil.errors import VentilError

_ENOUGH_FREE = 200 * 1024 * 1024


def add_to(app: App) -> None:
    """Add the command to the app."""
    app.command(doctor)


def doctor(*, database: Database = None, config: Config = None, json: Json = False) -> int:
    """Check the settings, the state folder and the providers' states. Sends nothing.

    Example: ventil doctor
    """
    checks = list(_checks(database, config))
    if json:
        print_json([{"check": c, "ok": ok, "detail": d, "hint": h} for c, ok, d, h in checks])
    else:
        for check, ok, detail, hint in checks:
            put(f"{'ok  ' if ok else 'BAD '} {check:12} {detail}")
            if hint:
                put(f"     {'':12} hint: {hint}")
    return 0 if all(ok for _, ok, _, _ in checks) else 1


def _folder(folder: Path) -> tuple[bool, str, str]:
    """Whether state can be written there, what there is to say, and a hint."""
    standing = folder if os.path.exists(folder) else folder.parent
    free = shutil.disk_usage(standing if os.path.exists(standing) else Path.cwd()).free
    writable = os.access(standing, os.W_OK)
    fine = writable and free > _ENOUGH_FREE
    return (
        fine,
        f"{folder}{'' if os.path.exists(folder) else ' (not there yet)'}, "
        f"{free // 2**20} MiB free{'' if writable else ', not writable'}",
        "" if fine else "free some space, or use --database",
    )


def _checks(database: str | None, config: Path | None) -> list[tuple[str, bool, str, str]]:
    found: list[tuple[str, bool, str, str]] = []

    def note(check: str, ok: bool, detail: str, hint: str = "") -> None:
        found.append((check, ok, detail, hint))

    note("ventil", True, f"{__version__} on Python {sys.version.split()[0]}")
    try:
        workshop = open_workshop(database, config)
    except VentilError as error:
        note("settings", False, error.message, error.hint or "")
        return found
    given = {
        key: origin
        for key, origin in workshop.settings.sources.items()
        if origin not in ("the default", "the shipped profile")
    }
    words = ", ".join(f"{key} from {origin}" for key, origin in given.items())
    note("settings", True, words or "all as shipped")
    if not workshop.shared:
        note("state folder", *_folder(workshop.settings.state_dir))
    if workshop.has_store:
        try:
            store = workshop.store()
            runs = store.runs(limit=1)
            unfinished = [r for r in store.runs() if r.state.resumable]
            open_failures = len(store.failures())
            store.close()
            note(
                "state",
                True,
                f"last run {runs[0].id if runs else 'none yet'}, {len(unfinished)} unfinished, "
                f"{open_failures} open failures",
            )
        except VentilError as error:
            note("state", False, error.message, error.hint or "")
            return found
    holder = workshop.lock().holder()
    if workshop.shared:
        note("workers", True, f"{holder} in" if holder else "none: commands do the work")
    else:
        note("lock", True, f"held by {holder}" if holder else "free")
    for name in sorted(workshop.settings.providers):
        settings = workshop.settings.provider(name)
        opened = workshop.store() if workshop.has_store else None
        governor, trouble = workshop.governor(name, opened)
        if opened is not None:
            opened.close()
        condition: Any = governor.condition(workshop.clock.now_s())
        contact = settings.contact or settings.loopback or not workshop.wants_contact(name)
        note(
            name,
            trouble is None,
            trouble or f"{workshop.base_url(name)}, {condition.words}",
            "" if contact else f'set contact = "you@example.org" under [providers.{name}]',
        )
    return found
