"""Errors as problem+json, with the trace id and the invalid fields.

Source: RFC 9457.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from flask import Response
from opentelemetry import trace
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException

from service.errors import (
    IdempotencyKeyReusedError,
    InvalidCursorError,
    InvalidTransitionError,
    OrderError,
    OrderNotFoundError,
    StoreUnavailableError,
    TooManyRequestsError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Flask

M = TypeVar("M", bound=BaseModel)

MEDIA_TYPE = "application/problem+json"
FieldErrors = list[dict[str, str]]

# The only table from an error to a status.
STATUSES: Mapping[type[OrderError], HTTPStatus] = {
    OrderNotFoundError: HTTPStatus.NOT_FOUND,
    InvalidTransitionError: HTTPStatus.CONFLICT,
    IdempotencyKeyReusedError: HTTPStatus.CONFLICT,
    InvalidCursorError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
    StoreUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
FIELDS: Mapping[type[OrderError], str] = {
    InvalidTransitionError: "status",
    IdempotencyKeyReusedError: "Idempotency-Key",
    InvalidCursorError: "cursor",
}


class InvalidFieldsError(Exception):
    """A request with bad fields."""

    def __init__(self, errors: FieldErrors) -> None:
        super().__init__("; ".join(f"{error['field']}: {error['message']}" for error in errors))
        self.errors = errors


def validate(model: type[M], value: Any) -> M:
    """Return a value as a model, or raise InvalidFieldsError without the values that were sent."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> InvalidFieldsError:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return InvalidFieldsError(
        [
            {"field": ".".join(map(str, one["loc"])) or "body", "message": one["msg"]}
            for one in found
        ]
    )


def problem(
    status: HTTPStatus,
    detail: str,
    errors: FieldErrors | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Response:
    """Return a response that describes an error.

    Args:
        status: The response's status, and the problem's title.
        detail: What happened, for a person.
        errors: The invalid fields: `field` and `message` each.
        headers: Additional headers of the response.
    """
    response = Response(document(status, detail, errors), status.value, mimetype=MEDIA_TYPE)
    response.headers.extend(headers)
    return response


def document(status: HTTPStatus, detail: str, errors: FieldErrors | None = None) -> bytes:
    """Return the JSON text of a problem; the arguments are those of `problem`."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        body["trace_id"] = trace.format_trace_id(context.trace_id)
    if errors:
        body["errors"] = errors
    return orjson.dumps(body)


def register_problems(app: Flask) -> None:
    """Turn every error of the app into a problem."""
    app.register_error_handler(OrderError, _order_error)
    app.register_error_handler(InvalidFieldsError, _invalid_fields)
    app.register_error_handler(HTTPException, _http_error)


def _order_error(error: OrderError) -> Response:
    status = STATUSES.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    field = FIELDS.get(type(error))
    errors = [{"field": field, "message": str(error)}] if field else None
    wait = getattr(error, "retry_after_seconds", None)
    headers = [("Retry-After", str(wait))] if wait else []
    return problem(status, str(error), errors, headers)


def _invalid_fields(error: InvalidFieldsError) -> Response:
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), error.errors)


def _http_error(error: HTTPException) -> Response:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return Response(error.get_response().response, error.code, error.get_headers())
    status = HTTPStatus(error.code)
    own = {"content-type", "content-length"}
    headers = [(name, value) for name, value in error.get_headers() if name.lower() not in own]
    detail = "the server failed" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
    return problem(status, detail or error.description or status.phrase, headers=headers)
