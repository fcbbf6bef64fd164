"""The descriptions of statements that psycopg's spans have."""

from __future__ import annotations

from observability.instrumentation.psycopg import _described


def test_statements_with_values_in_their_text_are_not_all_kept() -> None:
    for number in range(2000):
        assert _described(f"SELECT {number} FROM orders")[0] == "SELECT orders"
    assert _described.cache_info().currsize <= 1024
