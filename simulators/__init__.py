"""Simulators of what surrounds the service: its customers and its payment provider.

It imports `service` and the kit; the local mode may import it.
"""
