"""What the transport is asked to send goes out once, whatever the provider does to it."""

from __future__ import annotations

import asyncio

import pytest

from ventil.adapters.http import HttpTransport
from ventil.core.exchange import Fault, Request
from ventil.sim.npm import Hang, NpmSim, Reset, Scenario, Truncate, When


@pytest.mark.parametrize("broken", [Reset(), Hang(seconds=0.0), Truncate()])
def test_a_broken_connection_is_a_fault_and_no_second_request(broken: When) -> None:
    """The HTTP library must not try again by itself: the governor has to know of it."""

    async def story() -> tuple[object, int]:
        async with NpmSim(Scenario(behaviours=(broken,))) as sim:
            transport = HttpTransport(sim.url, user_agent="test", timeout_s=10.0, connections=1)
            reply = await transport.send(Request("/downloads/point/last-week/cdk-nag"))
            await transport.close()
            return reply, sim.report().requests

    reply, requests = asyncio.run(story())
    assert isinstance(reply, Fault)
    assert requests == 1
