from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from observability.instrumentation.propagation import TraceContext
from service.storage import outbox
from service.storage.outbox import Backlog, Message


@pytest.fixture
def connect(postgres, database):
    """Open connections with the worker's rights, as relays do."""
    opened = []

    def one(**options) -> psycopg.Connection:
        opened.append(
            psycopg.connect(
                host=database.host,
                port=database.port,
                dbname=database.name,
                user="orders_worker",
                password="worker",
                **options,
            )
        )
        return opened[-1]

    yield one
    for conn in opened:
        conn.close()


ADA, BOB = UUID(int=1), UUID(int=2)


def add(conn: psycopg.Connection, *messages: Message) -> list[int]:
    ids = [outbox.add(conn, message) for message in messages]
    conn.commit()
    return ids


def fulfil(order_id: UUID, **changes) -> Message:
    return Message(order_id, "fulfil_order", **changes)


def test_a_row_holds_what_was_added(connect) -> None:
    conn = connect()
    trace = TraceContext("00-a-b-01", "a=b")
    add(conn, Message(ADA, "send_order_email", {"kind": "cancelled"}, 3, trace=trace))

    [row] = outbox.fetch_due(conn)

    assert (row.order_id, row.task, row.queue) == (ADA, "send_order_email", "emails")
    assert (row.payload, row.attempt) == ({"kind": "cancelled"}, 3)
    assert row.trace == trace
    assert conn.execute("SELECT starts FROM outbox").fetchone() == (0,)


def test_two_relays_never_fetch_the_same_row(connect) -> None:
    first, second = connect(), connect()
    add(first, *(fulfil(uuid4()) for _ in range(10)))

    mine = {row.id for row in outbox.fetch_due(first, limit=6)}
    theirs = {row.id for row in outbox.fetch_due(second, limit=10)}

    assert (len(mine), len(theirs)) == (6, 4)
    assert not mine & theirs


def test_a_younger_row_waits_while_another_relay_sends_the_older(connect) -> None:
    first, second = connect(), connect()
    older, younger = add(first, fulfil(ADA), Message(ADA, "refund_order"))

    assert [row.id for row in outbox.fetch_due(first)] == [older]
    assert outbox.fetch_due(second) == []
    outbox.mark_published(first, [older])
    assert outbox.fetch_due(second) == []
    first.commit()

    assert [row.id for row in outbox.fetch_due(second)] == [younger]


def test_a_row_that_is_due_later_holds_back_nothing(connect) -> None:
    conn = connect()
    _, now = add(conn, fulfil(ADA, due_in=timedelta(hours=1)), Message(ADA, "refund_order"))

    assert [row.id for row in outbox.fetch_due(conn)] == [now]


def test_a_poison_row_blocks_neither_its_order_nor_others(connect) -> None:
    conn = connect()
    bad, good, other = add(conn, Message(ADA, "poison"), fulfil(ADA), fulfil(BOB))
    assert bad in [row.id for row in outbox.fetch_due(conn)]

    outbox.poison(conn, bad, "unknown task")
    conn.commit()

    assert [row.id for row in outbox.fetch_due(conn)] == [good, other]
    assert outbox.backlog(conn).poison_rows == 1


def test_a_retry_is_the_next_attempt_and_due_later(connect) -> None:
    conn = connect()
    [row_id] = add(conn, fulfil(ADA))
    outbox.mark_published(conn, [row_id])

    assert outbox.claim(conn, row_id, 1) == 1
    outbox.reschedule(conn, row_id, 1, timedelta(0), "the provider failed")
    [row] = outbox.fetch_due(conn)
    outbox.reschedule(conn, row_id, 2, timedelta(minutes=1), "again")

    assert row.attempt == 2
    assert conn.execute("SELECT starts FROM outbox").fetchone() == (0,)
    assert outbox.fetch_due(conn) == []
    assert outbox.scheduled(conn) == {"orders": 1}


def test_the_backlog_counts_what_is_due_and_its_age(connect) -> None:
    conn = connect()
    assert outbox.backlog(conn) == Backlog(0, 0.0, 0)
    sent, *_ = add(conn, fulfil(ADA), fulfil(BOB), fulfil(BOB, due_in=timedelta(hours=1)))
    outbox.mark_published(conn, [sent])
    conn.execute("UPDATE outbox SET due_at = due_at - interval '30 s'")

    found = outbox.backlog(conn)

    assert found.unpublished_rows == 1
    assert found.oldest_unpublished_age_seconds == pytest.approx(30, abs=5)


def test_a_removed_row_is_gone_and_only_its_current_attempt_is_removed(connect) -> None:
    conn = connect()
    [row_id] = add(conn, fulfil(ADA, attempt=2))

    assert outbox.remove(conn, row_id, 1) is None
    assert outbox.remove(conn, row_id, 2).id == row_id
    assert outbox.remove(conn, row_id, 2) is None

    assert conn.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


def test_a_listener_hears_of_a_row_once_it_is_committed_and_not_before(connect) -> None:
    listener, writer = connect(autocommit=True), connect()
    listener.execute(f"LISTEN {outbox.CHANNEL}")

    outbox.add(writer, fulfil(ADA))
    outbox.add(writer, fulfil(BOB))
    before = list(listener.notifies(timeout=0.1))
    writer.commit()
    after = list(listener.notifies(timeout=5, stop_after=1))

    assert (before, len(after)) == ([], 1)
