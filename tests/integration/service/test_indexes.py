"""EXPLAIN, on tables large enough that a plan without the index would cost more."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from service.errors import OrderNotFoundError
from service.storage import orders, outbox
from service.storage.idempotency import purge_expired_keys
from service.storage.orders import OrderStore
from service.web.cursors import Cursor


class Recorder:
    """Stands where a connection does, and keeps the statement that was to be run."""

    rowcount = 0

    def execute(self, query, values=()):
        self.query, self.values = query, values
        return self

    def fetchone(self):
        return None

    def fetchall(self):
        return []

    def cursor(self, **_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def run(self, work):
        return work(self)


def recorded(call) -> Recorder:
    recorder = Recorder()
    call(recorder)
    return recorder


def plan(conn: psycopg.Connection, statement: Recorder) -> str:
    rows = conn.execute(f"EXPLAIN {statement.query}", statement.values).fetchall()
    return "\n".join(line for (line,) in rows)


@pytest.fixture
def filled(sql: psycopg.Connection) -> psycopg.Connection:
    sql.execute(
        "INSERT INTO orders SELECT gen_random_uuid(), 'c' || n % 500, 'pending', '[]', 'EUR', 1,"
        " now() - n * interval '1 s', now(), 1 FROM generate_series(1, 20000) AS n"
    )
    sql.execute(
        "INSERT INTO outbox (order_id, task, queue, payload, due_at, published_at)"
        " SELECT gen_random_uuid(), 'fulfil_order', 'orders', '{}', now(),"
        " CASE WHEN n % 200 > 0 THEN now() END FROM generate_series(1, 20000) AS n"
    )
    sql.execute(
        "INSERT INTO idempotency_keys SELECT n::text, '', gen_random_uuid(), 201, '{}', now(),"
        " now() + n * interval '1 s' FROM generate_series(1, 20000) AS n"
    )
    sql.execute("ANALYZE")
    return sql


def test_a_page_walks_its_index_and_sorts_nothing(filled) -> None:
    after = Cursor(datetime.now(UTC), UUID(int=1))
    for cursor in (None, after):
        text = plan(filled, recorded(lambda r, c=cursor: OrderStore(r).page("c1", 20, c)))

        assert "orders_by_customer" in text
        assert "Sort" not in text
        assert "Filter" not in text


def test_an_order_is_found_by_its_primary_key(filled) -> None:
    def read(recorder: Recorder) -> None:
        with pytest.raises(OrderNotFoundError):
            orders.read_order(recorder, UUID(int=1))

    assert "orders_pkey" in plan(filled, recorded(read))


def test_the_relay_reads_unsent_rows_only(filled) -> None:
    text = plan(filled, recorded(outbox.fetch_due))

    assert "outbox_unsent_by_due" in text
    assert "Seq Scan" not in text


def test_the_backlog_and_the_scheduled_rows_are_read_from_partial_indexes(filled) -> None:
    for call in (outbox.backlog, outbox.scheduled):
        text = plan(filled, recorded(call))

        assert "Seq Scan" not in text, text


def test_expired_keys_are_found_by_their_expiry(filled) -> None:
    text = plan(filled, recorded(purge_expired_keys))

    assert "idempotency_keys_by_expiry" in text
