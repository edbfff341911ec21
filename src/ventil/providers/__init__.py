"""The APIs we know, one file each: profile, judge and recipes."""

from ventil.providers.known import anonymous_quotas, api, api_names, asked, get, names, profiles
from ventil.providers.profile import Api, Profile, Provider

__all__ = [
    "Api",
    "Profile",
    "Provider",
    "anonymous_quotas",
    "api",
    "api_names",
    "asked",
    "get",
    "names",
    "profiles",
]
