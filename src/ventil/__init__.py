"""Ventil: a valve for APIs you do not own."""

__version__ = "0.1.0"
