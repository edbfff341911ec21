"""How the finder's questions to GitHub share GraphQL requests."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ventil.changelog.finder import Ask, graphql
from ventil.core.exchange import Reply, Request


class Questions:
    """The `Combiner` port: parts are asks with a query."""

    def kind(self, part: Ask, /) -> Hashable:
        """Looks and texts do not mix: a text is large, and fewer of them fit."""
        return part.query is not None and graphql.is_heavy(part.query)

    def most(self, part: Ask, /) -> int:
        """How many repositories are asked about at once."""
        return graphql.MOST_TEXTS if self.kind(part) else graphql.MOST_LOOKS

    def combine(self, parts: Sequence[Ask], /) -> Request:
        """One query for all."""
        return graphql.combine(parts).request

    def split(self, parts: Sequence[Ask], reply: Reply, /) -> list[Reply | None] | None:
        """See `graphql.split`."""
        return graphql.split(parts, reply)
