"""PostgreSQL and Redis behind the orders: all SQL of a table in one module.

It imports the domain, never `service.web`. The API and the worker may import it.
"""
