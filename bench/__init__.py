"""Measurements. Each is a command, `python -m bench.NAME`; all of them: `python -m bench`."""
