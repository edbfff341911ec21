"""One file per API: its profile and its recipes."""
