"""`ventil changelog run` against simulated registries and code hosts, end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from commandline import Cli, Ended
from hosts_thread import TOKEN, HostsThread, world_of

from postgres_server import PostgresServer
from ventil.adapters.workbench import Limits, Workbench
from ventil.changelog.document import Document
from ventil.publish.changelogs import documents

RUN = ("changelog", "run", "packages.txt", "-o", "site")
PACKAGES = 60
PROVIDERS = 8
IN_FLIGHT = 2
SHARED = 50
"""Questions to GitHub that share a request, at most."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[HostsThread]:
    """Sixty packages, with all the traps there are."""
    thread = HostsThread(world_of(PACKAGES))
    yield thread
    thread.close()


@pytest.fixture(scope="module")
def undisturbed(hosts: HostsThread, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run that nobody disturbs asks and publishes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    hosts.furnish(folder)
    before, requests = hosts.asked(), hosts.requests()
    ended = command(folder)
    assert ended.code == 0, ended.said
    return {
        "asked": hosts.asked() - before,
        "requests": hosts.requests() - requests,
        "site": published(folder),
        "folder": folder,
    }


def environment(
    *, crash_at: str = "", token: bool = True, database: str = ""
) -> dict[str, str]:
    """That of a command, without variables of Ventil's own."""
    source = Path(__file__).parent.parent.parent / "src"
    environ = {name: text for name, text in os.environ.items() if "VENTIL_" not in name}
    environ |= {"PYTHONPATH": str(source), "NO_COLOR": "1"}
    environ |= {"SIM_TOKEN": TOKEN} if token else {}
    environ |= {"VENTIL_CRASH_AT": crash_at} if crash_at else {}
    environ |= {"VENTIL_DATABASE_URL": database} if database else {}
    return environ


def command(folder: Path, *words: str, **surroundings: Any) -> Ended:
    """Give the command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "ventil.cli.main", *(words or RUN)],
        cwd=folder,
        env=environment(**surroundings),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    ended = Ended(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in ended.said
    return ended


def published(folder: Path) -> dict[str, Document]:
    """The documents of the site, without the times of their fetching."""
    return {document.package.purl: document for document in documents(folder / "site")}


def report(folder: Path) -> dict[str, Any]:
    """The report beside the site."""
    found: dict[str, Any] = json.loads((folder / "site" / "report.json").read_text())
    return found


def said(site: dict[str, Document]) -> dict[str, Any]:
    """What the documents say, whenever they were fetched."""
    return {
        purl: (document.status, len(document.releases), document.place and document.place.url)
        for purl, document in site.items()
    }


@pytest.mark.slow
def test_every_package_has_its_document_and_its_page(
    hosts: HostsThread, undisturbed: dict[str, Any]
) -> None:
    """JSON and HTML for all; what the world has is found; the report adds up."""
    site, folder = undisturbed["site"], undisturbed["folder"]
    assert set(site) == set(hosts.purls)
    for purl, package in ((p.purl, p) for p in hosts.world.packages.values()):
        page = folder / "site" / package.ecosystem / package.name.lower() / "index.html"
        assert page.exists(), page
        if site[purl].status == "found":
            assert package.has_changelog, purl
    found = sum(document.status == "found" for document in site.values())
    there = sum(package.has_changelog for package in hosts.world.packages.values())
    assert found >= 0.95 * there
    counts = report(folder)["counts"]
    assert counts["records"] == PACKAGES == counts["ok"] + counts["unknown"]
    assert counts["ok"] == found
    requests = sum(books["sent"] for books in report(folder)["requests"].values())
    assert requests == undisturbed["requests"]
    assert requests <= 2.5 * PACKAGES


@pytest.mark.slow
def test_killed_again_and_again_it_asks_for_nothing_twice(
    hosts: HostsThread, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """The same site as undisturbed; asked anew was only what was in flight at a kill."""
    hosts.furnish(tmp_path)
    before = hosts.asked()
    kills = ("steps.after:4", "send.before:40", "ledger.after:9", "artefact.written:30")
    for point in kills:
        assert command(tmp_path, crash_at=point).code == -9, point
    ended = command(tmp_path)
    assert ended.code == 0, ended.said
    assert said(published(tmp_path)) == said(undisturbed["site"])
    asked = hosts.asked() - before
    assert set(asked) == set(undisturbed["asked"])
    again = asked - undisturbed["asked"]
    most = (PROVIDERS - 1) * IN_FLIGHT + IN_FLIGHT * SHARED
    assert again.total() <= len(kills) * most, again
    singles = again.total() - sum(n for (host, _), n in again.items() if host == "github")
    assert singles <= len(kills) * (PROVIDERS - 1) * IN_FLIGHT, again


@pytest.mark.slow
def test_on_postgres_without_a_worker(
    hosts: HostsThread, undisturbed: dict[str, Any], tmp_path: Path, postgres: PostgresServer
) -> None:
    """The command works on the run itself: the same site for the same questions as on a file,
    and on a second start none at all."""
    url = postgres.database()
    hosts.furnish(tmp_path)
    assert command(tmp_path, "db", "upgrade", database=url).code == 0
    before = hosts.asked()
    ended = command(tmp_path, database=url)
    assert ended.code == 0, ended.said
    assert said(published(tmp_path)) == said(undisturbed["site"])
    assert hosts.asked() - before == undisturbed["asked"]
    counts = report(tmp_path)["counts"]
    assert counts == report(undisturbed["folder"])["counts"] | {"settled_before": 0}
    before = hosts.asked()
    assert command(tmp_path, database=url).code == 0
    assert hosts.asked() == before
    site = said(published(tmp_path))
    found = next(purl for purl, (status, _, _) in site.items() if status == "found")
    ended = command(tmp_path, "changelog", "find", found, database=url)
    assert ended.code == 0, ended.said
    assert postgres.run("SELECT DISTINCT gone FROM ventil.worker", database=url) == [("left",)]


@pytest.mark.slow
def test_on_postgres_a_killed_worker_is_missed_by_nobody(
    hosts: HostsThread, undisturbed: dict[str, Any], tmp_path: Path, postgres: PostgresServer
) -> None:
    """The others take over its packages where it was: the same site, and asked anew was only
    what was in flight."""
    url = postgres.database()
    hosts.furnish(tmp_path)
    assert command(tmp_path, "db", "upgrade", database=url).code == 0
    environ = environment(database=url) | {"VENTIL_RUN__CHUNK_SIZE": "5"}
    start = [sys.executable, "-m", "ventil.cli.main"]

    def until(statement: str, least: int) -> None:
        deadline_s = time.monotonic() + 120
        while len(postgres.run(statement, database=url)) < least:
            assert time.monotonic() < deadline_s, statement
            time.sleep(0.02)

    with ExitStack() as stack:

        def begin(*words: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*start, *words], cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        workers = []
        for number in (1, 2):
            workers.append(begin("worker", "--slots", "2", "--quiet"))
            until("SELECT id FROM ventil.worker", number)
        before = hosts.asked()
        follower = begin(*RUN)
        until("SELECT key FROM ventil.sample", 5)
        workers[0].kill()
        _, err = follower.communicate(timeout=120)
        assert follower.returncode == 0, err
        until("SELECT id FROM ventil.worker WHERE gone = 'ended'", 1)
        workers[1].send_signal(signal.SIGTERM)
        assert workers[1].wait(60) == 0
    assert said(published(tmp_path)) == said(undisturbed["site"])
    asked = hosts.asked() - before
    assert set(asked) == set(undisturbed["asked"])
    again = asked - undisturbed["asked"]
    assert again.total() <= (PROVIDERS - 1) * IN_FLIGHT + IN_FLIGHT * SHARED, again
    singles = again.total() - sum(n for (host, _), n in again.items() if host == "github")
    assert singles <= (PROVIDERS - 1) * IN_FLIGHT, again
    assert postgres.run("SELECT key FROM ventil.step", database=url) == []
    gone = {how for (how,) in postgres.run("SELECT gone FROM ventil.worker", database=url)}
    assert gone == {"ended", "left"}


@pytest.mark.slow
def test_a_second_run_is_nearly_free(hosts: HostsThread, undisturbed: dict[str, Any]) -> None:
    """In the same week it asks nobody; a look at all again costs a request or so each."""
    folder = undisturbed["folder"]
    before = hosts.requests()
    ended = command(folder)
    assert ended.code == 0, ended.said
    assert hosts.requests() == before
    assert report(folder)["counts"]["settled_before"] == PACKAGES

    pages = {path: path.stat().st_mtime_ns for path in (folder / "site").rglob("*.html")}
    ended = command(folder, *RUN, "--refresh")
    assert ended.code == 0, ended.said
    assert hosts.requests() - before <= 1.2 * PACKAGES
    assert said(published(folder)) == said(undisturbed["site"])
    assert {path: path.stat().st_mtime_ns for path in pages} == pages


@pytest.mark.slow
def test_an_interrupted_publishing_goes_on(
    hosts: HostsThread, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """Ctrl-C counts while pages are written too: 130, or 0 where it came too late."""
    hosts.furnish(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "ventil.cli.main", *RUN], cwd=tmp_path, env=environment()
    )
    while process.poll() is None and not any((tmp_path / "site").rglob("index.html")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) in (0, 130)
    before = hosts.requests()
    ended = command(tmp_path)
    assert ended.code == 0, ended.said
    assert hosts.requests() == before
    assert said(published(tmp_path)) == said(undisturbed["site"])


@pytest.mark.slow
def test_a_host_that_says_later_holds_up_nobody_else(
    hosts: HostsThread, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """Without a token GitHub answers 60 requests an hour: exit 75, and all others are done.

    The same command asks nobody a second time, and GitHub not before its time.
    """
    hosts.furnish(tmp_path, token=False)
    words = (*RUN, "--max-wait", "2s")
    ended = command(tmp_path, *words, token=False)
    assert ended.code == 75, ended.said
    assert "github" in ended.err
    told = report(tmp_path)
    assert "github" in told["suspended"]
    waiting = {entry["key"] for entry in told["records"] if entry["status"] == "failed"}
    needs = {
        p.purl for p in hosts.world.packages.values() if p.repo and "github" in p.repo.host
    }
    assert waiting <= needs
    assert told["counts"]["ok"] + told["counts"]["unknown"] >= PACKAGES - len(needs)
    before = hosts.asked()
    assert command(tmp_path, *words, token=False).code == 75
    more = hosts.asked() - before
    assert more.total() <= 2, more  # as many as may be in flight
    assert all(host == "github" and not before[host, asked] for host, asked in more), more


def test_a_text_that_breaks_a_limit_costs_its_package_alone(
    cli: Cli, hosts: HostsThread
) -> None:
    """It is failed in the ledger, with the limit it broke; replay asks for it again."""
    found = [p for p in hosts.world.packages.values() if p.where == "file"]
    *others, largest = sorted(found, key=lambda package: len(package.text()))
    hosts.furnish(cli.folder)
    cli.set("SIM_TOKEN", TOKEN)
    cli.names(*(package.purl for package in (*others[:6], largest)), file="packages.txt")
    bound = len(others[5].text()) + 1000

    class Strict(Workbench):
        async def run(
            self, task: str, payload: bytes, /, *, limits: Limits | None = None
        ) -> bytes:
            large = task == "changelog.read" and len(payload) > bound
            return await super().run(task, payload, limits=Limits(output=10) if large else None)

    workbench = "ventil.wiring.changelogs.Changelogs.workbench"
    processes = [Strict(processes=1)]
    cli.patch.setattr(workbench, lambda self: processes.pop())
    for name in [name for name in os.environ if name.startswith("VENTIL_PROVIDERS__")]:
        cli.patch.delenv(name)
    ended = cli(*RUN, "--tolerate", "50%")
    assert ended.code == 0, ended.said
    listed = cli("failures", "list", "last", "--json").json
    assert [failure["key"] for failure in listed] == [largest.purl]
    assert "changelog.read" in listed[0]["detail"]
    assert report(cli.folder)["counts"]["ok"] == 6
    assert published(cli.folder)[largest.purl].status == "failed"

    processes.append(Workbench(processes=1))
    ended = cli("failures", "replay", "last")
    assert ended.code == 0, ended.said
    assert cli("failures", "list", "last", "--json").json == []
    assert published(cli.folder)[largest.purl].status == "found"
