"""Collectors that run at each scrape, in the main process of the worker or in the relay.

Imported by the composition roots of worker and relay.
"""
