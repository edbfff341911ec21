"""The lab over real HTTP: the same provider model, driven by the wall clock on loopback.

`scenarios` holds scenarios small enough to be played in half a minute of real time (no time
is scaled, so that a Retry-After of whole seconds means what it says), `server` plays one;
`python -m ventil.sim.lab.over_http Q1 --seed 0` does so in a process of its own.
"""

from ventil.sim.lab.over_http.scenarios import SCENARIOS, SHARED
from ventil.sim.lab.over_http.server import LabServer

__all__ = ["SCENARIOS", "SHARED", "LabServer"]
