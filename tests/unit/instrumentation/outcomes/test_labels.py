"""The labels of a message: its queue and its task, if they are known."""

from __future__ import annotations

import celery
import pytest

from observability.instrumentation import semconv
from observability.instrumentation.celery.outcomes import Outcomes

# What a quorum queue's message with an ETA has in front: a bit for each power of two of seconds.
DELAY = ".".join("0" * 28)


@pytest.mark.parametrize(
    ("routing_key", "task", "queue"),
    [
        ("urgent", "import_feed", "urgent"),
        ("feed.import", "import_feed", "feeds"),
        (f"{DELAY}.feeds", "import_feed", "feeds"),
        ("feed.import", "unknown_task", semconv.OTHER),
        ("", "import_feed", "feeds"),
    ],
)
def test_a_routing_key_that_names_no_queue_stands_for_the_queue_of_its_task(
    routing_key: str, task: str, queue: str
) -> None:
    app = celery.Celery("feeds", set_as_current=False)
    outcomes = Outcomes(app, {"import_feed": "feeds"}, (), lambda: ["urgent"])
    request = {"delivery_info": {"routing_key": routing_key}}
    assert outcomes.labels(request, task)[0] == queue
