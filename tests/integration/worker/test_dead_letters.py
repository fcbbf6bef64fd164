"""The command that lists dead letters and replays them."""

from __future__ import annotations

import json

import psycopg
import pytest
from click.testing import CliRunner

from service.semconv import TASK_SEND_ORDER_EMAIL
from service.storage import dead_letters
from service.storage.postgres import connection_arguments
from tests.integration.worker.rows import TRACEPARENT, add_letter, add_order, rows
from worker.dead_letters import main


@pytest.fixture
def conn(database):
    """A connection with the worker's rights."""
    arguments = connection_arguments(database, "test")
    with psycopg.connect(**arguments, autocommit=True) as conn:
        yield conn


@pytest.fixture
def letter(sql):
    """A dead letter: its id, and its order's."""
    order_id = add_order(sql)
    return add_letter(sql, order_id), order_id


@pytest.fixture
def command(conn):
    def run(*words):
        done = CliRunner().invoke(main, [str(word) for word in words], obj=conn)
        return done.exit_code, done.stdout

    return run


def test_list_has_a_line_for_each_that_waits(command, letter):
    code, text = command("list")
    assert code == 0
    assert text.splitlines()[0].split() == [
        str(letter[0]), *text.split()[1:3], "send_order_email", "order", str(letter[1]),
        "attempt", "10", "MailUnavailableError:", "refused",
    ]  # fmt: skip


def test_show_prints_everything_about_one(command, letter):
    code, text = command("show", letter[0])
    assert code == 0
    shown = json.loads(text)
    assert shown["order_id"] == str(letter[1])
    assert shown["payload"] == {"kind": "confirmed"}
    assert shown["traceparent"] == TRACEPARENT


def test_replay_puts_it_into_the_outbox_once_with_its_trace(command, letter, sql):
    assert command("replay", letter[0])[0] == 0
    assert command("replay", letter[0])[0] == 1
    assert rows(sql, "order_id, task, payload, attempt, traceparent") == [
        (letter[1], TASK_SEND_ORDER_EMAIL, {"kind": "confirmed"}, 1, TRACEPARENT)
    ]
    assert command("list") == (0, "")


def test_replay_all_leaves_none_waiting(command, letter, conn):
    assert command("replay", "all") == (0, "1 replayed\n")
    assert dead_letters.count(conn) == {}


def test_those_that_wait_are_counted_by_task(conn, letter):
    assert dead_letters.count(conn) == {TASK_SEND_ORDER_EMAIL: 1}


def test_discard_deletes_one(command, letter, conn):
    assert command("discard", letter[0])[0] == 0
    assert dead_letters.count(conn) == {}


def test_rows_that_were_set_aside_can_be_listed_and_deleted(command, sql):
    sql.execute(
        "INSERT INTO outbox (order_id, task, queue, payload, poisoned_at, last_error)"
        " VALUES (gen_random_uuid(), 'odd', 'orders', '{}', now(), 'unknown task odd')"
    )
    code, text = command("poison")
    assert code == 0
    assert text.endswith("unknown task odd\n")
    assert command("poison", "discard") == (0, "1 discarded\n")
    assert rows(sql) == []


def test_rows_that_were_set_aside_can_be_released_one_by_one_or_all(command, sql):
    ids = [
        sql.execute(
            "INSERT INTO outbox (order_id, task, queue, payload, poisoned_at, last_error)"
            " VALUES (gen_random_uuid(), 'odd', 'orders', '{}', now(), 'odd') RETURNING id"
        ).fetchone()[0]
        for _ in range(3)
    ]
    assert command("poison", "release", ids[1]) == (0, "1 released\n")
    assert command("poison", "release", ids[1])[0] == 1
    kept = [(ids[0], True), (ids[1], False), (ids[2], True)]
    assert rows(sql, "id, poisoned_at IS NOT NULL") == kept
    assert command("poison", "release", "all") == (0, "2 released\n")
    assert rows(sql, "last_error") == [(None,)] * 3


@pytest.mark.parametrize("words", [[], ["list", "x"], ["show", "x"], ["replay"], ["poison", "x"]])
def test_unknown_arguments_are_a_usage_error(command, words):
    assert command(*words)[0] == 2


@pytest.mark.parametrize("word", ["show", "replay", "discard"])
def test_a_dead_letter_that_does_not_exist_is_an_error(command, word):
    assert command(word, 7)[0] == 1
