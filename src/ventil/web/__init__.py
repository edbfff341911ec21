"""`ventil serve`: where providers answer later, and a page that says how things stand."""

from ventil.web.server import serve

__all__ = ["serve"]
