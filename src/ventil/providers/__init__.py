"""The APIs we know, one file each: profile, judge and recipes."""

from ventil.providers.known import api, api_names, get, names, profiles
from ventil.providers.profile import Api, Profile, Provider

__all__ = ["Api", "Profile", "Provider", "api", "api_names", "get", "names", "profiles"]
