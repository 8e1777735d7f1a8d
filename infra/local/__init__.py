"""The embedded stack: real servers from wheels, for a machine that has none."""
