"""Drive a recipe without a network: a function answers its requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ventil.core.exchange import Fetch, Known, Reply, Request
from ventil.core.model import Sample


@dataclass(slots=True)
class Driven:
    """What a recipe did: its samples, handed over early or returned, and its requests.

    `steps` has both in their order: a `Request`, or the `Known` samples between two.
    """

    samples: list[Sample] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    steps: list[Request | Known] = field(default_factory=list)

    @property
    def by_key(self) -> dict[str, Sample]:
        """The samples by their keys. Raises ValueError when a key has two."""
        found = {sample.key: sample for sample in self.samples}
        if len(found) != len(self.samples):
            raise ValueError("a record has two samples")
        return found

    @property
    def targets(self) -> list[str]:
        """What was asked for, in order."""
        return [request.target for request in self.requests]


def drive(
    recipe: Fetch, answer: Callable[[Request], Reply], *, most_requests: int = 10_000
) -> Driven:
    """Run *recipe* to its end, *answer* giving the reply to each request.

    Raises RuntimeError after *most_requests*: the recipe seems to have no end.
    """
    driven = Driven()
    reply: Reply | None = None
    try:
        while True:
            step = next(recipe) if reply is None else recipe.send(reply)
            driven.steps.append(step)
            if isinstance(step, Known):
                driven.samples.extend(step.samples)
                reply = None
                continue
            if len(driven.requests) >= most_requests:
                raise RuntimeError(f"the recipe asked more than {most_requests} times")
            driven.requests.append(step)
            reply = answer(step)
    except StopIteration as end:
        driven.samples.extend(end.value)
    return driven
