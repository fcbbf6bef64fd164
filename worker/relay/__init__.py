"""The relay, a program of its own that moves outbox rows to the broker.

Nothing imports it but `worker.faults`, which breaks it on purpose.
"""
