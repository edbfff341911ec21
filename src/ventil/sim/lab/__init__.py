"""The lab: clients against providers in virtual time, beside a clairvoyant oracle.

Two lines run one scenario against one client::

    from ventil.sim import lab
    print(lab.run("S2", "ventil", seed=0))  # ratio, waste, overload, outage_sent, ...

`lab.run("O1", "ventil", trace=True).moments` holds limit, requests under way, queue and
state every half second. A client of your own is a maker of `lab.Client`:
``lab.run("S2", lambda seed: MyClient())``; a provider of your own a `lab.Scenario`.
`python -m ventil.sim.lab --help` prints the tables, checks the goals and draws the pictures.

The model and what it leaves out are described in `provider` and `race`: first in, first out
queues, no other tenants, refusals are free, no cost of connections.
"""

from ventil.sim.lab.client import Baseline, Client
from ventil.sim.lab.clients import CLIENTS, run, scenario
from ventil.sim.lab.governed import Governed
from ventil.sim.lab.provider import (
    CapacityDrop,
    Delay,
    Flight,
    Outage,
    Provider,
    Server,
    Service,
    Slowdown,
)
from ventil.sim.lab.quotas import FixedWindow, SlidingLog, TokenBucket
from ventil.sim.lab.race import Deadlock, Moment, Result, Scenario
from ventil.sim.lab.scenarios import SCENARIOS

__all__ = [
    "CLIENTS",
    "SCENARIOS",
    "Baseline",
    "CapacityDrop",
    "Client",
    "Deadlock",
    "Delay",
    "FixedWindow",
    "Flight",
    "Governed",
    "Moment",
    "Outage",
    "Provider",
    "Result",
    "Scenario",
    "Server",
    "Service",
    "SlidingLog",
    "Slowdown",
    "TokenBucket",
    "run",
    "scenario",
]
