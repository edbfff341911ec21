"""`ventil db`: the state database itself."""

from __future__ import annotations

from cyclopts import App

from ventil.cli.console import print_json, put
from ventil.cli.runs import open_workshop
from ventil.cli.stats import Config, Database, Json


def add_to(app: App) -> None:
    """Add the commands to the app."""
    group = App(name="db", help="The state database: upgrade.")
    group.command(upgrade)
    app.command(group)


def upgrade(*, database: Database = None, config: Config = None, json: Json = False) -> int:
    """Create or upgrade the tables of the state database.

    Needed on Postgres, once and after an update; a SQLite file is upgraded by itself. Safe
    while workers run, and safe to give again: it only ever adds.

    Example: ventil db upgrade --database postgresql://me@db.internal/ventil
    """
    before, after, place = open_workshop(database, config).upgrade_database()
    if json:
        print_json({"database": place, "schema_before": before or None, "schema": after})
    elif before == after:
        put(f"{place} is up to date (schema {after})")
    elif before:
        put(f"{place} is upgraded from schema {before} to {after}")
    else:
        put(f"{place} is ready (schema {after})")
    return 0
