"""Charge orders at the payment provider, and refund them.

Every request has an idempotency key made of the order's id and the kind, so a repeated request
never moves money twice. That is why a broken connection is retried once at once. A timeout is not,
since retries make a slow provider slower: the task is rescheduled instead.

While the circuit is open the provider is not called: `CircuitOpenError` is raised in microseconds,
the task is rescheduled until the next probe may run, and the attempt does not count. Orders stay
`pending`.
"""

from __future__ import annotations

# `requests` imports it in its first call. A child that is forked while a thread of the main process
# does so inherits the module's lock, which is never released.
# Source: https://github.com/python/cpython/issues/50970
import netrc  # noqa: F401
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import requests

from worker.errors import PaymentRefusedError, PaymentUnavailableError

if TYPE_CHECKING:
    from uuid import UUID

    from service.orders import Order
    from worker.clients.circuit_breaker import SharedCircuitBreaker

DEPENDENCY = "payment-provider"
CONNECT_SECONDS = 1.0
READ_SECONDS = 5.0
MAX_REASON_LENGTH = 200


class PaymentResult(StrEnum):
    """The results that the provider may report."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class PaymentAnswer:
    """The provider's answer, with its own reference if it has one."""

    result: PaymentResult
    reference: str | None


# Statuses whose body has a state: charged or replayed, declined, voided by an earlier refund.
ANSWERED = frozenset({200, 201, 402, 409})
# Statuses that say that the request itself is wrong, so that it always will be. Any other one may
# be a wrong password, an address that moved, or a proxy in between, which can be repaired.
REFUSED = frozenset({400, 413, 415, 422})


class PaymentClient:
    """An HTTP client of the provider, behind a circuit breaker.

    Args:
        url: Base URL of the provider.
        breaker: Shared by all child processes of the worker.
        session: Instrumented by the caller; belongs to this process.
    """

    def __init__(self, url: str, breaker: SharedCircuitBreaker, session: requests.Session) -> None:
        self._url = url.rstrip("/")
        self._breaker = breaker
        self._session = session

    def charge(self, order: Order) -> PaymentAnswer:
        """Charge an order's total once, however often this is called.

        Raises:
            PaymentUnavailableError: No answer; it is unknown whether the money moved.
            CircuitOpenError: The provider was not called.
            PaymentRefusedError: The request itself is wrong.
        """
        body = {
            "order_id": str(order.id),
            "amount_cents": order.total_cents,
            "currency": str(order.currency),
            "customer_id": order.customer_id,
        }
        return self._ask("/v1/charges", f"{order.id}:charge", body)

    def refund(self, order_id: UUID) -> PaymentAnswer:
        """Refund an order's charge once; a charge that comes later is then void.

        Raises:
            PaymentUnavailableError, CircuitOpenError, PaymentRefusedError: As for `charge`.
        """
        return self._ask("/v1/refunds", f"{order_id}:refund", {"order_id": str(order_id)})

    def _ask(self, path: str, key: str, body: dict[str, Any]) -> PaymentAnswer:
        return self._breaker.call(lambda: _read(self._post(path, key, body)))

    def _post(self, path: str, key: str, body: dict[str, Any]) -> requests.Response:
        try:
            response = self._send(path, key, body)
        except requests.RequestException as error:
            raise PaymentUnavailableError(_reason(error)) from error
        if response.status_code in REFUSED:
            text = response.text[:MAX_REASON_LENGTH]
            raise PaymentRefusedError(f"answered {response.status_code}: {text}")
        if response.status_code not in ANSWERED:
            raise PaymentUnavailableError(
                f"answered {response.status_code}", _retry_after(response)
            )
        return response

    def _send(self, path: str, key: str, body: dict[str, Any]) -> requests.Response:
        def send() -> requests.Response:
            return self._session.post(
                self._url + path,
                json=body,
                headers={"Idempotency-Key": key},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )

        try:
            return send()
        except requests.Timeout:
            raise
        except requests.ConnectionError:
            return send()


def is_outage(error: BaseException) -> bool:
    """Return whether an error means that the provider is down, not that it refused the request."""
    return not isinstance(error, PaymentRefusedError)


def _read(response: requests.Response) -> PaymentAnswer:
    try:
        body = response.json()
        state, reference = body.get("state"), body.get("id")
    except (ValueError, AttributeError):
        state = reference = None
    if state not in set(PaymentResult):
        raise PaymentUnavailableError(f"answered {response.status_code} without a state")
    return PaymentAnswer(PaymentResult(state), reference)


def _reason(error: requests.RequestException) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_REASON_LENGTH]


def _retry_after(response: requests.Response) -> timedelta | None:
    text = response.headers.get("Retry-After", "")
    return timedelta(seconds=int(text)) if text.isdecimal() and len(text) <= 4 else None
