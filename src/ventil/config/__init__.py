"""Settings: what may be set, where it is read from, and what comes out, frozen."""

from ventil.config.declared import RunSettings, SecretRef
from ventil.config.load import ProviderSettings, Settings, Shipped, load_settings

__all__ = [
    "ProviderSettings",
    "RunSettings",
    "SecretRef",
    "Settings",
    "Shipped",
    "load_settings",
]
