"""What holds for every test: the machine's own settings and its speed play no part."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from postgres_server import PostgresServer

# A slow machine is no failure; what may take how long is measured in bench/.
settings.register_profile("ventil", settings.get_profile("default"), deadline=None)
if not os.environ.get("CI"):  # there, hypothesis has a profile of its own
    settings.load_profile("ventil")


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither VENTIL_ variables nor the user's own file reach a test or what it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("VENTIL_"):
                patch.delenv(name)
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running Postgres; each test makes a database of its own in it."""
    server = PostgresServer()
    yield server
    server.stop()
