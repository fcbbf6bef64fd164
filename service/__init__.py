"""The order API: HTTP in front, PostgreSQL and Redis behind, an outbox for what is done later."""
