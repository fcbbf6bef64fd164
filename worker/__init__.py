"""The second door into the order domain: the outbox relay and the Celery tasks."""
