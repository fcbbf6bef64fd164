"""PostgreSQL and Redis behind the orders: all SQL of a table in one module."""
