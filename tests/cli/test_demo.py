"""`ventil demo`: one command that shows the job, its troubles, and an artefact all the same."""

from __future__ import annotations

import time

import pytest
from commandline import Cli

from ventil.adapters.durable import DbosQueue
from ventil.errors import StateError


def test_the_demo_meets_every_trouble_and_publishes(cli: Cli) -> None:
    """In well under a minute; the artefact's path is all that is on stdout."""
    for name in ("BASE_URL", "QUOTAS", "MAX_IN_FLIGHT", "COOLDOWN", "TIMEOUT"):
        cli.patch.delenv(f"VENTIL_PROVIDERS__NPM_DOWNLOADS__{name}")
    began_s = time.monotonic()
    ended = cli("demo", "--folder", "my demo")
    assert time.monotonic() - began_s < 60
    assert ended.code == 0
    assert ended.out == f"{cli.folder}/my demo/stats.json\n"
    assert "cooldown" in ended.err
    assert "429 without Retry-After" in ended.err
    statuses = cli.of_report("my demo/stats.report.json")
    assert statuses["cdk-iam-generator"] == "carried"  # refused with 403
    assert statuses["cdk-constants"] == "carried"  # a zero that has not settled
    assert statuses["@aws-cdk/aws-ecs"] == "carried"  # 500, again and again
    assert statuses["@aws-cdk/cdk"] == "unknown"
    assert len(cli.stats("my demo/stats.json")) == 85
    hint = next(line for line in ended.err.splitlines() if line.startswith("Try: "))
    assert "'sqlite:///my demo/state/ventil.sqlite'" in hint
    database = "sqlite:///my demo/state/ventil.sqlite"
    assert len(cli("failures", "list", "last", "--database", database, "--json").json) == 6


@pytest.mark.parametrize("made_of", ["a folder of mine", "a file"])
def test_the_demo_takes_nothing_away_that_is_not_its_own(cli: Cli, made_of: str) -> None:
    """A folder that it did not make is left alone, and so is a file."""
    place = cli.folder / "ventil-demo"
    if made_of == "a file":
        place.write_text("mine")
    else:
        (place / "state").mkdir(parents=True)
        (place / "state" / "mine.txt").write_text("mine")
    ended = cli("demo")
    assert ended.code == 2
    assert "ventil-demo" in ended.err
    assert (place if place.is_file() else place / "state" / "mine.txt").read_text() == "mine"


def test_a_demo_that_cannot_run_says_why(cli: Cli) -> None:
    """What a run of one's own would say, and not that its report is missing."""

    async def damaged(*_args: object, **_how: object) -> None:
        raise StateError("the durable queue cannot be opened", hint="move it away")

    cli.patch.setattr(DbosQueue, "start", damaged)
    ended = cli("demo")
    assert ended.code == StateError.exit_code
    assert "the durable queue cannot be opened" in ended.err
    assert "internal error" not in ended.err
    assert ended.out == ""
