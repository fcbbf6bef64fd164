"""The simulated outside world of the system: its customers and its payment provider.

It imports `service` and the kit; the local mode may import it.
"""
