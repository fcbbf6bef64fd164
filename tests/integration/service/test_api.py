from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask.testing import FlaskClient

from service.storage.idempotency import purge_expired_keys
from tests.integration.service.orders import TEA, an_order, place, place_one


def count(sql: psycopg.Connection, table: str) -> int:
    return sql.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_placed_order_can_be_read_at_its_location(client: FlaskClient) -> None:
    placed = place(client)

    assert placed.status_code == 201
    assert placed.json["total_cents"] == 900
    assert placed.json["status"] == "pending"
    found = client.get(placed.headers["Location"])
    assert (found.status_code, found.json) == (200, placed.json)


def test_order_and_message_are_written_together(client: FlaskClient, sql) -> None:
    order_id = place_one(client)

    rows = sql.execute("SELECT order_id::text, task, queue, attempt FROM outbox").fetchall()
    assert rows == [(order_id, "fulfil_order", "orders", 1)]


def test_without_its_message_no_order_is_written(client: FlaskClient, sql) -> None:
    sql.execute("REVOKE INSERT ON outbox FROM orders_service")
    try:
        assert place(client).status_code == 500
        assert count(sql, "orders") == 0
    finally:
        sql.execute("GRANT INSERT ON outbox TO orders_service")


BAD_BODIES: dict[str, tuple[Any, int, str]] = {
    "no customer": ({"currency": "EUR", "items": [TEA]}, 422, "customer_id"),
    "a customer id with a blank": (an_order(customer_id="a b"), 422, "customer_id"),
    "a customer id with a zero byte": (an_order(customer_id="a\0"), 422, "customer_id"),
    "half a surrogate": (an_order(customer_id="\ud800"), 400, ""),
    "SQL for a customer": (an_order(customer_id="' OR 1=1 --"), 422, "customer_id"),
    "an unknown currency": (an_order(currency="XXX"), 422, "currency"),
    "no items": (an_order(items=[]), 422, "items"),
    "51 items": (an_order(items=[TEA] * 51), 422, "items"),
    "items that are none": (an_order(items={"sku": "tea"}), 422, "items"),
    "a quantity of 0": (an_order(items=[TEA | {"quantity": 0}]), 422, "items.0.quantity"),
    "a quantity in words": (an_order(items=[TEA | {"quantity": "2"}]), 422, "items.0.quantity"),
    "half a quantity": (an_order(items=[TEA | {"quantity": 1.5}]), 422, "items.0.quantity"),
    "true for a quantity": (an_order(items=[TEA | {"quantity": True}]), 422, "items.0.quantity"),
    "a negative price": (
        an_order(items=[TEA, TEA | {"unit_price_cents": -1}]),
        422,
        "items.1.unit_price_cents",
    ),
    "a price beyond all bounds": (
        an_order(items=[TEA | {"unit_price_cents": 10**30}]),
        422,
        "items.0.unit_price_cents",
    ),
    "an unknown field": (an_order(discount=100), 422, "discount"),
    "a list": ([an_order()], 422, "body"),
    "null": (None, 422, "body"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_names_its_field_and_changes_nothing(client, sql, name: str) -> None:
    body, status, field = BAD_BODIES[name]

    answer = client.post("/v1/orders", data=json.dumps(body), content_type="application/json")

    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert [error["field"] for error in answer.json.get("errors", [])] == ([field] if field else [])
    assert (count(sql, "orders"), count(sql, "outbox")) == (0, 0)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"customer_id": "ada",}', 400),
        (b"\xff\xfe{}", 400),
        (b'{"items": NaN}', 400),
        (b"[" * 60_000, 400),
        (b'{"items": ' + b"[" * 9 + b"]" * 9 + b"}", 400),
        (b" " * 65_537, 413),
    ],
)
def test_what_is_not_reasonable_json_is_refused(
    client: FlaskClient, data: bytes, status: int
) -> None:
    answer = client.post("/v1/orders", data=data, content_type="application/json")

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {},
    ],
)
def test_only_plain_json_is_taken(client: FlaskClient, headers: dict[str, str]) -> None:
    answer = client.post("/v1/orders", data=json.dumps(an_order()), headers=headers)

    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/orders/not-an-id", 404),
        ("GET", f"/v1/orders/{uuid4()}", 404),
        ("POST", f"/v1/orders/{uuid4()}/cancel", 404),
        ("GET", "/v1/orders/%00", 404),
        ("GET", "/v2/orders", 404),
        ("PUT", "/v1/orders", 405),
        ("BREW", "/v1/orders", 405),
        ("DELETE", f"/v1/orders/{uuid4()}", 405),
        ("GET", "/v1/orders", 422),
        ("GET", "/v1/orders?customer_id=%00", 422),
        ("GET", "/v1/orders?customer_id=ada&limit=0", 422),
        ("GET", "/v1/orders?customer_id=ada&limit=101", 422),
        ("GET", "/v1/orders?customer_id=ada&limit=many", 422),
        ("GET", "/v1/orders?customer_id=ada&cursor=forged", 422),
        ("GET", "/v1/orders?customer_id=ada&offset=10", 422),
    ],
)
def test_every_bad_request_is_answered_with_a_problem(client, method, path, status) -> None:
    answer = client.open(path, method=method)

    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["detail"]


def test_a_wrong_method_is_answered_with_the_right_ones(client: FlaskClient) -> None:
    answer = client.put("/v1/orders")

    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_a_host_that_is_not_ours_is_refused(client: FlaskClient) -> None:
    assert client.get("/livez", headers={"Host": "rebound.example"}).status_code == 421


def test_huge_headers_are_refused(client: FlaskClient) -> None:
    headers = {f"X-{number}": "x" * 1000 for number in range(20)}

    answer = client.get("/livez", headers=headers)

    assert (answer.status_code, answer.content_type) == (431, "application/problem+json")


class TestIdempotencyKey:
    def test_the_same_key_and_body_give_the_same_answer(self, client, sql) -> None:
        first, again = place(client, key="k-1"), place(client, key="k-1")

        assert (again.status_code, again.data) == (first.status_code, first.data)
        assert again.headers["Location"] == first.headers["Location"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers
        assert (count(sql, "orders"), count(sql, "outbox")) == (1, 1)

    def test_the_same_body_written_otherwise_is_the_same(self, client, sql) -> None:
        place(client, key="k-1")
        text = json.dumps(dict(reversed(an_order().items())), indent=3)

        again = client.post(
            "/v1/orders",
            data=text,
            headers={"Idempotency-Key": "k-1", "Content-Type": "application/json"},
        )

        assert again.headers["Idempotency-Replayed"] == "true"

    def test_the_same_key_with_another_body_is_refused(self, client, sql) -> None:
        place(client, key="k-1")

        answer = place(client, key="k-1", currency="USD")

        assert answer.status_code == 409
        assert [error["field"] for error in answer.json["errors"]] == ["Idempotency-Key"]
        assert count(sql, "orders") == 1

    def test_it_stands_after_the_order_changed(self, client) -> None:
        first = place(client, key="k-1")
        client.post(f"{first.headers['Location']}/cancel")

        assert place(client, key="k-1").data == first.data

    def test_an_expired_key_places_a_new_order(self, client, sql) -> None:
        first = place(client, key="k-1")
        sql.execute("UPDATE idempotency_keys SET expires_at = now() - interval '1 s'")

        again = place(client, key="k-1")

        assert again.json["id"] != first.json["id"]
        assert place(client, key="k-1").data == again.data

    def test_expired_keys_are_deleted_and_no_others(self, client, sql, as_worker) -> None:
        for number in range(5):
            place(client, key=f"k-{number}")
        sql.execute(
            "UPDATE idempotency_keys SET expires_at = now() - interval '1 s' WHERE key < 'k-3'"
        )

        assert purge_expired_keys(as_worker, limit=2) == 2
        assert purge_expired_keys(as_worker) == 1
        as_worker.commit()
        assert sql.execute("SELECT key FROM idempotency_keys ORDER BY 1").fetchall() == [
            ("k-3",),
            ("k-4",),
        ]

    def test_a_refused_request_leaves_its_key_free(self, client, sql) -> None:
        assert place(client, key="k-1", items=[]).status_code == 422

        assert place(client, key="k-1").status_code == 201

    @pytest.mark.parametrize("key", ["", " ", "x" * 256, "ü", "a b"])
    def test_a_malformed_key_is_refused(self, client, key: str) -> None:
        headers = {"Idempotency-Key": key}

        answer = client.post("/v1/orders", json=an_order(), headers=headers)

        assert answer.status_code == 422
        assert answer.json["errors"][0]["field"] == "Idempotency-Key"

    def test_concurrent_duplicates_cost_one_insert(self, make_app, sql) -> None:
        app, barrier = make_app(threads=8), threading.Barrier(8)

        def send(_: int) -> Any:
            barrier.wait()
            return place(app.test_client(), key="k-1")

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(send, range(8)))

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.data for answer in answers}) == 1
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 7
        assert (count(sql, "orders"), count(sql, "outbox")) == (1, 1)

    def test_a_duplicate_waits_while_the_first_is_still_running(
        self, client, sql, database, postgres
    ) -> None:
        first = place(client, key="k-1")
        with postgres.connect(database.name) as other, ThreadPoolExecutor(1) as threads:
            with other.transaction():
                # As if the first were not yet committed: its row is there and locked.
                other.execute("UPDATE idempotency_keys SET created_at = now()")
                second = threads.submit(place, client, key="k-1")
                waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                while not other.execute(waits).fetchone():
                    assert not second.done()
            assert second.result(5).data == first.data

    def test_a_first_that_never_ends_gives_503_and_not_a_hang(
        self, client, postgres, database
    ) -> None:
        place(client, key="k-1")
        with postgres.connect(database.name) as other, other.transaction():
            other.execute("UPDATE idempotency_keys SET created_at = now()")

            answer = place(client, key="k-1")

        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"


class TestPages:
    def test_pages_are_newest_first_and_join_without_gap_or_overlap(self, client, sql) -> None:
        ids = [place_one(client) for _ in range(7)]
        place_one(client, customer_id="bob")
        # Ties in time are where offsets and careless cursors lose rows.
        sql.execute(
            "UPDATE orders SET created_at = '2026-01-01' WHERE id::text = ANY(%s)", (ids[2:6],)
        )

        seen, cursor = [], None
        while True:
            query = {"customer_id": "ada", "limit": 2, **({"cursor": cursor} if cursor else {})}
            page = client.get("/v1/orders", query_string=query).json
            assert len(page["orders"]) <= 2
            seen += [order["id"] for order in page["orders"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break

        assert len(seen) == 7
        assert set(seen) == set(ids)
        assert seen[:3] == [ids[6], ids[1], ids[0]]

    def test_a_new_order_does_not_move_the_next_page(self, client) -> None:
        ids = [place_one(client) for _ in range(4)]
        first = client.get("/v1/orders?customer_id=ada&limit=2").json
        place_one(client)

        second = client.get(
            "/v1/orders", query_string={"customer_id": "ada", "cursor": first["next_cursor"]}
        ).json

        assert [order["id"] for order in second["orders"]] == [ids[1], ids[0]]
        assert second["next_cursor"] is None

    def test_a_stranger_has_an_empty_page(self, client) -> None:
        assert client.get("/v1/orders?customer_id=unknown").json == {
            "orders": [],
            "next_cursor": None,
        }


class TestCancel:
    def messages(self, sql: psycopg.Connection) -> list[tuple[str, Any]]:
        return sql.execute("SELECT task, payload FROM outbox ORDER BY id").fetchall()

    def test_a_pending_order_is_cancelled_without_a_refund(self, client, sql) -> None:
        order_id = place_one(client)

        answer = client.post(f"/v1/orders/{order_id}/cancel")

        assert (answer.status_code, answer.json["status"]) == (200, "cancelled")
        assert self.messages(sql) == [
            ("fulfil_order", {}),
            ("send_order_email", {"kind": "cancelled"}),
        ]

    @pytest.mark.parametrize("status", ["pending", "confirmed"])
    def test_what_may_have_been_charged_is_refunded(self, client, sql, status: str) -> None:
        order_id = place_one(client)
        sql.execute("UPDATE orders SET status = %s", (status,))
        sql.execute("INSERT INTO payments VALUES (%s, 'charge', 'started')", (order_id,))

        assert client.post(f"/v1/orders/{order_id}/cancel").status_code == 200

        assert self.messages(sql)[1:] == [
            ("refund_order", {}),
            ("send_order_email", {"kind": "cancelled"}),
        ]

    def test_cancelling_twice_changes_nothing(self, client, sql) -> None:
        order_id = place_one(client)
        first = client.post(f"/v1/orders/{order_id}/cancel")

        again = client.post(f"/v1/orders/{order_id}/cancel")

        assert (again.status_code, again.json) == (200, first.json)
        assert count(sql, "outbox") == 2

    def test_an_order_that_could_not_be_paid_cannot_be_cancelled(self, client, sql) -> None:
        order_id = place_one(client)
        sql.execute("UPDATE orders SET status = 'payment_failed'")

        answer = client.post(f"/v1/orders/{order_id}/cancel")

        assert answer.status_code == 409
        assert answer.json["errors"] == [
            {
                "field": "status",
                "message": f"order {order_id} is payment_failed and cannot become cancelled",
            }
        ]
        assert count(sql, "outbox") == 1

    def test_only_one_of_many_cancels_writes_messages(self, make_app, sql) -> None:
        app = make_app(threads=8)
        order_id = place_one(app.test_client())

        with ThreadPoolExecutor(8) as threads:
            answers = list(
                threads.map(
                    lambda _: app.test_client().post(f"/v1/orders/{order_id}/cancel"), range(8)
                )
            )

        assert {answer.status_code for answer in answers} == {200}
        assert count(sql, "outbox") == 2
