"""A provider that is asked now and answers later: `ventil sim orders`."""

from ventil.sim.orders.server import OrdersSim, Seen

__all__ = ["OrdersSim", "Seen"]
