"""Measurements of the changelog parser."""
