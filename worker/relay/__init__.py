"""Move outbox rows to the broker."""
