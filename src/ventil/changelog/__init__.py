"""Changelogs: a text in any of their many styles in, its releases out. Pure."""

from ventil.changelog.model import Release
from ventil.changelog.parser import parse, release_as_data
from ventil.changelog.sections import Section

__all__ = ["Release", "Section", "parse", "release_as_data"]
