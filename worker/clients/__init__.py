"""Clients of the payment provider and the mail server, with timeouts and a circuit breaker."""
