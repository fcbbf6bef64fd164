"""The relay, a program of its own that moves outbox rows to the broker.

Only `worker.faults` imports it, to inject faults.
"""
