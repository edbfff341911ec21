"""Shipped fakes."""
