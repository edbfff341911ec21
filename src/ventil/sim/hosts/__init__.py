"""Package registries and code hosts to practise on: metadata, archives, repositories, traps.

`World` holds packages and the truth about their changelogs, `Hosts` answers requests as
npm's registry, PyPI, RubyGems, crates.io, GitHub, GitLab and Codeberg do, limits and all,
without a socket or a clock; `HostsSim` puts them on loopback. Nothing here is shared with
the client's code.
"""

from ventil.sim.hosts.builder import build, names
from ventil.sim.hosts.hosts import MOODS, NAMES, Hosts, Mood
from ventil.sim.hosts.server import HostsSim
from ventil.sim.hosts.world import Repo, SimPackage, World

__all__ = [
    "MOODS",
    "NAMES",
    "Hosts",
    "HostsSim",
    "Mood",
    "Repo",
    "SimPackage",
    "World",
    "build",
    "names",
]
