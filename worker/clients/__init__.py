"""Clients of the payment provider and the mail server, with timeouts and circuit breakers.

The tasks and the composition root import them.
"""
