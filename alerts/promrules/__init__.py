"""Read, write, check and test Prometheus rule files.

It imports nothing else of ours, so `cp -r` takes it along; any room may import it. See README.md.
"""
