"""Requests for another host, and those that a page of another site caused, are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from flask import Flask

    from observability.instrumentation.environment import TrustedHosts


def refuse_other_sites(app: Flask, trusted_hosts: TrustedHosts) -> None:
    """Refuse such requests as problems: 400, 403 or 421."""

    def check() -> None:
        if refusal := trusted_hosts.refusal(request.environ):
            error = HTTPException(refusal.reason)
            error.code = refusal.status.value
            raise error

    app.before_request(check)
