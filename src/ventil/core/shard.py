"""Which workers serve which provider: shuffle sharding by rendezvous hashing.

Whoever takes all of a worker's CPU or memory hurts everybody else on that worker, and if all
workers serve all providers, everybody. So each provider key may be given a *shard*: `size` of
the live workers. Two keys mostly share some workers and seldom all of them; and as workers
pull their work, a key with one worker to itself still goes on at the pace of that worker.

Every worker works it out alone, from the same list of live workers: each worker's name is
hashed with the key, and the highest numbers win. When one comes or goes, only the shards that
it enters or leaves change, by that one place. With no more than `size` workers all serve all,
so no key is ever without one as long as any worker lives that serves it.

The probabilities, of shards drawn like this from `workers`: see `overlap` and `engulfed`, and
the tables in docs/explanation/fairness.md.
"""

from __future__ import annotations

import heapq
import math
from hashlib import blake2b
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def shard(key: str, workers: Iterable[str], size: int) -> tuple[str, ...]:
    """The *size* of *workers* (all, where there are no more) that serve *key*, best first.

    *size* 0 stands for all. The order of *workers* does not matter.
    """
    names = set(workers)
    return tuple(heapq.nlargest(size or len(names), names, key=lambda name: _draw(key, name)))


def _draw(key: str, worker: str) -> tuple[bytes, str]:
    digest = blake2b(f"{key}\0{worker}".encode(), digest_size=8).digest()
    return digest, worker


def overlap(workers: int, size: int, shared: int) -> float:
    """The probability that two shards have exactly *shared* workers in common.

    Hypergeometric: of one's `size` workers, `shared` are among the other's.
    """
    if not 0 <= shared <= size <= workers:
        return 0.0
    ways = comb(size, shared) * comb(workers - size, size - shared)
    return ways / comb(workers, size)


def engulfed(workers: int, size: int, noisy: int) -> float:
    """The probability that every worker of a shard is also in one of *noisy* others.

    By inclusion and exclusion over the workers of the shard that none of the others has: a
    shard avoids i given workers with probability C(workers - i, size) / C(workers, size).
    """
    total = comb(workers, size)
    terms = (
        math.pow(-1, avoided)
        * comb(size, avoided)
        * math.pow(comb(workers - avoided, size) / total, noisy)
        for avoided in range(size + 1)
    )
    return math.fsum(terms)
