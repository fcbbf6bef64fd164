"""The HTTP layer of the orders: requests, responses, limits, health and the OpenAPI document.

It imports `service.storage` and the domain. `service.app` builds it; the worker and the simulators
may use its serialization, schemas and limits.
"""
