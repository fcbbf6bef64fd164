"""Build the API: the one place where its parts are made and put together."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from observability.instrumentation.flask import instrument_app
from observability.instrumentation.telemetry import start_telemetry
from service.faults.injection import inject_faults
from service.faults.switchboard import Switchboard
from service.metrics import OrderMetrics
from service.semconv import ORDERS, POOL_ORDERS, SERVICE_NAMESPACE
from service.storage.cache import OrderCache
from service.storage.database import Database, make_pool
from service.storage.orders import OrderStore
from service.web.api import OrderViews
from service.web.health import health_blueprint
from service.web.limits import RateLimit, check_headers, limit_bodies
from service.web.openapi import openapi_blueprint
from service.web.problems import register_problems

if TYPE_CHECKING:
    from observability.instrumentation.telemetry import Telemetry
    from service.settings import Settings


def create_app(settings: Settings, telemetry: Telemetry | None = None) -> Flask:
    """Return the order API, ready to be served; it connects when it is first asked.

    Args:
        settings: What it is told from outside.
        telemetry: What a test records with; else it is started here.
    """
    switchboard = Switchboard(settings.faults_file)
    telemetry = telemetry or start_telemetry(
        settings.telemetry,
        service_name=ORDERS,
        service_namespace=SERVICE_NAMESPACE,
        service_version=version(),
        is_dropping=lambda: switchboard.now().telemetry_dropped,
    )
    app = Flask(__name__, static_folder=None)
    _configure(app, settings)
    _wire(app, settings, telemetry, switchboard)
    instrument_app(app, telemetry, success_codes={"orders.cancel": [200]})
    return app


def version() -> str:
    """Return the version that is installed, or `0` when run from a bare checkout."""
    try:
        return metadata.version("sightline")
    except metadata.PackageNotFoundError:
        return "0"


def _configure(app: Flask, settings: Settings) -> None:
    limit_bodies(app)
    if "*" not in settings.trusted_hosts:
        app.config["TRUSTED_HOSTS"] = list(settings.trusted_hosts)
    app.url_map.strict_slashes = True
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.trusted_proxies, x_host=0, x_proto=0
        )


def _wire(app: Flask, settings: Settings, telemetry: Telemetry, switchboard: Switchboard) -> None:
    pool = make_pool(settings.database, telemetry, POOL_ORDERS, max_size=settings.threads)
    database = Database(pool, switchboard)
    cache = OrderCache.connect(settings.cache, telemetry, switchboard)
    rate_limit = RateLimit(cache.client, settings.rate_limit)

    def admit() -> None:
        check_headers(request)
        if request.path.startswith("/v1/"):
            rate_limit.spend(request.remote_addr or "")

    app.before_request(admit)
    inject_faults(app, switchboard)
    register_problems(app)
    views = OrderViews(OrderStore(database), cache, OrderMetrics(telemetry))
    app.register_blueprint(views.blueprint())
    app.register_blueprint(health_blueprint(database, cache))
    app.register_blueprint(openapi_blueprint(version()))
    app.extensions["orders"] = {"database": database, "cache": cache, "switchboard": switchboard}
