"""Health checks of the process and of its dependencies."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
import redis
from flask import Blueprint, Response

from service.errors import StoreUnavailableError
from service.storage.orders import check_orders

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.storage.cache import OrderCache
    from service.storage.database import Database

OK = "ok"
DEGRADED = "degraded"
DOWN = "down"
WORST_FIRST = (DOWN, DEGRADED, OK)


def health_blueprint(database: Database, cache: OrderCache) -> Blueprint:
    """Return the routes `/livez` and `/readyz`.

    Without the database no order can be placed: down, 503. Without the cache, or with all
    connections busy, requests succeed but slower: degraded, 200. Each check has a timeout.
    """
    checks: dict[str, Callable[[], str]] = {
        "postgres": lambda: _check_database(database),
        "cache": lambda: _check_cache(cache),
    }

    def livez() -> Response:
        return _answer(HTTPStatus.OK, {"status": OK})

    def readyz() -> Response:
        found = {name: _timed(check) for name, check in checks.items()}
        seen = {result["status"] for result in found.values()}
        status = next(state for state in WORST_FIRST if state in seen)
        code = HTTPStatus.SERVICE_UNAVAILABLE if status == DOWN else HTTPStatus.OK
        return _answer(code, {"status": status, "checks": found})

    health = Blueprint("health", __name__)
    health.add_url_rule("/livez", "livez", livez, methods=["GET"])
    health.add_url_rule("/readyz", "readyz", readyz, methods=["GET"])
    return health


def _answer(code: HTTPStatus, body: dict[str, Any]) -> Response:
    response = Response(orjson.dumps(body), code.value, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _timed(check: Callable[[], str]) -> dict[str, Any]:
    start = time.perf_counter()
    return {"status": check(), "seconds": round(time.perf_counter() - start, 4)}


def _check_database(database: Database) -> str:
    try:
        with database.transaction() as conn:
            check_orders(conn)
    except StoreUnavailableError as error:
        return DEGRADED if error.busy else DOWN
    return OK


def _check_cache(cache: OrderCache) -> str:
    try:
        cache.client.ping()
    except redis.RedisError:
        return DEGRADED
    return OK
