"""The hosts on loopback: Ventil's own transport finds a changelog through real sockets."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys

import pytest

from ventil.adapters.http import HttpTransport
from ventil.changelog.finder import Ask, Finding, Manners, Package, Status, archive, find
from ventil.changelog.finder.links import origin_fault
from ventil.core.exchange import Reply, Response
from ventil.errors import PortError
from ventil.sim.hosts import HostsSim, build


async def search(sim: HostsSim, package: Package) -> Finding:
    """One search, asked over HTTP."""
    transports: dict[str, HttpTransport] = {}

    async def send(ask: Ask) -> Reply:
        base = ask.origin or sim.urls[ask.provider]
        assert ask.origin is None or origin_fault(ask.origin, sim.urls[ask.provider]) is None
        if base not in transports:
            transports[base] = HttpTransport(
                base, user_agent="t (mailto:a@example.org)", timeout_s=30, connections=4
            )
        request = ask.request
        reply = await transports[base].send(request)
        if ask.unpack is not None and isinstance(reply, Response) and reply.status == 200:
            body = archive.read_task(archive.payload(ask.unpack, "", reply.body))
            return Response(200, reply.headers, body)
        return reply

    steps = find(package, None, Manners(graphql=False))
    try:
        ask = next(steps)
        while True:
            ask = steps.send(await send(ask))
    except StopIteration as end:
        found: Finding = end.value
        return found
    finally:
        for transport in transports.values():
            await transport.close()


def test_a_search_through_sockets() -> None:
    """npm's scoped names, archives on a host of their own, a renamed repository."""

    async def scenario() -> None:
        world = build(300, 1)
        async with HostsSim(world) as sim:
            for ecosystem in ("npm", "pypi", "gem", "cargo"):
                fit = [
                    package
                    for package in world.packages.values()
                    if package.ecosystem == ecosystem
                    and package.where == "file"
                    and not package.traps & {"points", "stale"}
                ]
                renamed = [package for package in fit if "renamed" in package.traps]
                for package in [*fit[:2], *renamed[:1]]:
                    finding = await search(sim, Package(ecosystem, package.name))
                    assert finding.status is Status.FOUND
                    assert finding.text == package.text()
            assert set(sim.settings()) == {
                f"providers.{name}.base_url" for name in sim.urls if name != "pypi-files"
            }
            assert sum(sim.hosts.violations.values()) == 0

    asyncio.run(scenario())


def test_a_port_in_use_is_said() -> None:
    """PortError, not a traceback of the event loop."""

    async def scenario() -> None:
        async with HostsSim(build(5, 0)) as sim:
            port = int(sim.urls["npm-registry"].rpartition(":")[2])
            with pytest.raises(PortError, match="cannot listen"):
                async with HostsSim(build(5, 0), port=port):
                    pass

    asyncio.run(scenario())


@pytest.mark.slow
def test_as_a_process_of_its_own() -> None:
    """`python -m ventil.sim.hosts` says where it listens and ends on SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ventil.sim.hosts", "--count", "10"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert told["listening"]["github"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
