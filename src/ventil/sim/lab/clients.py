"""The clients by name, and one experiment by names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ventil.sim.lab.ablations import ABLATIONS
from ventil.sim.lab.baselines import (
    Aimd,
    AutoThrottle,
    BotocoreAdaptive,
    Fixed,
    Gradient2,
    Rule2019,
    Vegas,
)
from ventil.sim.lab.chance import random_scenario
from ventil.sim.lab.governed import DAY_S, EPOCH_S, Governed
from ventil.sim.lab.race import GIVE_UP, Result, Scenario
from ventil.sim.lab.race import run as _run
from ventil.sim.lab.scenarios import SCENARIOS
from ventil.sim.lab.workers import Workers
from ventil.sim.lab.workers import run as _run_shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from ventil.sim.lab.client import Client

CLIENTS: dict[str, Callable[[int], Client]] = {
    "fixed10": lambda seed: Fixed(10),
    "rule2019": lambda seed: Rule2019(),
    "aimd": lambda seed: Aimd(),
    "gradient2": lambda seed: Gradient2(),
    "vegas": Vegas,
    "botocore": lambda seed: BotocoreAdaptive(),
    "autothr8": lambda seed: AutoThrottle(),
    "ventil": lambda seed: Governed(seed=seed),
}
"""Makers by name; each takes a seed."""

COMPARED = tuple(CLIENTS)
"""Those of the tables."""

CLIENTS |= ABLATIONS

SHARED = "ventil-x"
"""With a number behind it: so many workers who share one pacer; see `workers`."""

WARM = "ventil-warm"
"""A second run a day later, on the state that a first run of other records left."""


def scenario(name: str) -> Scenario:
    """The scenario called `name`: "S2", or "R1007" for random provider 1007.

    Raises KeyError naming those there are.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    if name[:1] == "R" and name[1:].isdigit():
        return random_scenario(int(name[1:]))
    raise KeyError(f"no scenario {name!r}; there are {', '.join(SCENARIOS)} and R0, R1...")


def shared_by(client: str) -> int:
    """How many workers a client's name stands for: 4 for "ventil-x4", 0 for another kind."""
    count = client.removeprefix(SHARED)
    return int(count) if count != client and count.isdigit() else 0


def run(
    what: str | Scenario,
    client: str | Callable[[int], Client] = "ventil",
    *,
    seed: int = 0,
    trace: bool = False,
    give_up: float = GIVE_UP,
    retries_last: bool = False,
) -> Result:
    """One experiment: `run("S2", "aimd", seed=1)`.

    `client` is one of `CLIENTS`, `WARM`, `SHARED` with a number, or a maker of your own.
    Raises KeyError for unknown names.
    """
    if isinstance(what, str):
        what = scenario(what)
    if isinstance(client, str) and (count := shared_by(client)):
        return _run_shared(
            what,
            Workers(count),
            seed=seed,
            trace=trace,
            give_up=give_up,
            retries_last=retries_last,
        )
    if client == WARM:
        name, maker = WARM, _warmed(what, seed)
    elif isinstance(client, str):
        name, maker = client, CLIENTS[client]
    else:
        name, maker = getattr(client, "__name__", "client"), client
    return _run(
        what,
        maker,
        name=name,
        seed=seed,
        trace=trace,
        give_up=give_up,
        retries_last=retries_last,
    )


def _warmed(what: Scenario, seed: int) -> Callable[[int], Client]:
    workers: list[Governed] = []

    def cold(seed: int) -> Governed:
        workers.append(Governed(seed=seed))
        return workers[-1]

    first = _run(what, cold, name="ventil", seed=seed + 1_000)
    state = workers[0].state(first.makespan_s)
    return lambda seed: Governed(seed=seed, state=state, epoch_s=EPOCH_S + DAY_S)
