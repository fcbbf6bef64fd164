"""Build the API: the one place where its parts are made and put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from observability.instrumentation.flask import instrument_app
from observability.instrumentation.redis import CacheInstruments
from observability.instrumentation.telemetry import start_telemetry
from service.faults.injection import inject_faults
from service.faults.storage import FaultyCache, FaultyDatabase, PoisoningOrderStore
from service.faults.switchboard import Switchboard
from service.metrics import OrderMetrics
from service.semconv import CACHE_ORDERS, ORDERS, POOL_ORDERS, SERVICE_NAMESPACE
from service.storage.cache import OrderCache
from service.storage.database import Database
from service.storage.orders import OrderStore
from service.storage.postgres import make_pool
from service.storage.redis_clients import make_cache_client
from service.version import VERSION
from service.web.api import OrderViews
from service.web.health import health_blueprint
from service.web.hosts import refuse_other_sites
from service.web.limits import check_headers, limit_bodies
from service.web.openapi import openapi_blueprint
from service.web.problems import register_problems
from service.web.rate_limit import RateLimit
from service.web.serialization import to_json

if TYPE_CHECKING:
    from observability.instrumentation.telemetry import Telemetry
    from service.settings import Settings


def create_app(settings: Settings, telemetry: Telemetry | None = None) -> Flask:
    """Return the order API, ready to be served; it connects on first use.

    Args:
        settings: Of the API.
        telemetry: A test's own; started here by default.
    """
    switchboard = Switchboard(settings.faults_file) if settings.faults_file else None
    telemetry = telemetry or start_telemetry(
        settings.telemetry,
        service_name=ORDERS,
        service_namespace=SERVICE_NAMESPACE,
        service_version=VERSION,
        is_dropping=switchboard.drops_telemetry if switchboard else None,
    )
    app = Flask(__name__, static_folder=None)
    _configure(app, settings)
    _wire(app, settings, telemetry, switchboard)
    instrument_app(app, telemetry, success_codes={"orders.cancel": [200]})
    return app


def _configure(app: Flask, settings: Settings) -> None:
    limit_bodies(app)
    refuse_other_sites(app, settings.trusted_hosts)
    app.url_map.strict_slashes = True
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.trusted_proxies, x_host=0, x_proto=0
        )


def _wire(
    app: Flask, settings: Settings, telemetry: Telemetry, switchboard: Switchboard | None
) -> None:
    database, store, cache = _make_storage(settings, telemetry, switchboard)
    rate_limit = RateLimit(cache.client, settings.rate_limit, leader=cache.guard)

    def admit() -> None:
        check_headers(request)
        if request.path.startswith("/v1/"):
            rate_limit.spend(request.remote_addr or "")

    app.before_request(admit)
    if switchboard:
        inject_faults(app, switchboard)
    register_problems(app)
    views = OrderViews(store, cache, OrderMetrics(telemetry))
    app.register_blueprint(views.blueprint())
    app.register_blueprint(health_blueprint(database, cache))
    app.register_blueprint(openapi_blueprint(VERSION))
    app.extensions["orders"] = {"database": database, "cache": cache}


def _make_storage(
    settings: Settings, telemetry: Telemetry, switchboard: Switchboard | None
) -> tuple[Database, OrderStore, OrderCache]:
    """Return database, store and cache; with a fault file, variants that can inject faults."""
    # One thread more than connections: reads of the cache do not wait for a database that hangs.
    connections = max(1, settings.threads - 1)
    pool = make_pool(settings.database, telemetry, POOL_ORDERS, max_size=connections)
    client = make_cache_client(settings.cache, telemetry)
    instruments = CacheInstruments(telemetry, CACHE_ORDERS)
    if switchboard is None:
        database = Database(pool)
        return database, OrderStore(database), OrderCache(client, instruments, to_json)
    database = FaultyDatabase(pool, switchboard)
    cache = FaultyCache(client, instruments, to_json, switchboard=switchboard)
    return database, PoisoningOrderStore(database, switchboard), cache
