"""Artefacts."""
