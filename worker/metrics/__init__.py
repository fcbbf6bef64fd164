"""Collectors that read, at each scrape, what only the main process or the relay can know.

Imported by the composition roots of worker and relay.
"""
