"""The APIs we know, one file each: profile, judge and recipes."""

from ventil.providers.known import get, names
from ventil.providers.profile import Profile, Provider

__all__ = ["Profile", "Provider", "get", "names"]
