"""Measure the memory, disk usage, streams and series of the stack under load."""
