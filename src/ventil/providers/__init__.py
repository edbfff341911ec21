"""The APIs we know, one file each: profile, judge and recipes."""

from ventil.providers.known import (
    add,
    anonymous_quotas,
    api,
    api_names,
    asked,
    get,
    names,
    own_names,
    profiles,
)
from ventil.providers.profile import Api, Profile, Provider

__all__ = [
    "Api",
    "Profile",
    "Provider",
    "add",
    "anonymous_quotas",
    "api",
    "api_names",
    "asked",
    "get",
    "names",
    "own_names",
    "profiles",
]
