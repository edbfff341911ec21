"""Providers to practise on."""
