"""The second half of an order, after the API: the outbox relay and the Celery tasks.

No other package of the service may import it; it imports `service` and the kit.
"""
