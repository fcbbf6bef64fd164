"""Measure an hour of the stack: memory, disk, streams, series."""
