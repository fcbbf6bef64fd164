"""What the one-call entries share: which program runs, its metrics folder and its metrics port.

Private: `flask`, `celery` and `gunicorn` of this kit import it.
"""
