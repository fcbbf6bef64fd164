"""The commands behind the Makefile: up, down, status, logs, load, render.

Imported by `local.__main__` only. It may import `local.servers`, `local.supervisor` and the load
generator's rate file; it reaches the console over HTTP.
"""
