"""A worker shows the depth of queues, whatever the broker is."""

from __future__ import annotations

from collections.abc import Callable

import celery
import pytest

from observability.instrumentation.celery.declared_queues import DeclaredQueues, queue_collector
from tests.integration.adoption.adopter import Project, RunningWorker, shapes
from tests.integration.instrumentation.conftest import samples
from tools.servers import Redis, wait_until

MAILER = list(shapes())[3]


def values(collector: DeclaredQueues) -> dict[str, float]:
    found = [sample for one in collector.collect() for sample in one.samples]
    return {f"{s.name}{list(s.labels.values())}": s.value for s in found}


def test_depth_by_passive_declaration(start_redis: Callable[..., Redis]) -> None:
    broker = start_redis()
    url = f"redis://127.0.0.1:{broker.port}/0"
    with celery.Celery("shop", broker=url, set_as_current=False) as app:
        for _ in range(3):
            app.send_task("pack", queue="orders", ignore_result=True)
        collector = DeclaredQueues(app, ("orders", "unknown"))
        depths = {"celery_queue_messages['orders']": 3, "celery_queue_messages['unknown']": 0}
        assert values(collector) == {"celery_poller_up[]": 1, **depths}
        broker.process.terminate()
        broker.process.wait(30)
        wait_until(lambda: values(collector) == {"celery_poller_up[]": 0})
        assert collector.is_failing


def test_only_redis_is_read_by_its_own_protocol() -> None:
    with celery.Celery("shop", broker="amqp://guest@localhost//", set_as_current=False) as app:
        assert isinstance(queue_collector(app, ("orders",)), DeclaredQueues)


@pytest.mark.slow
def test_a_worker_shows_the_queues_that_it_is_told_to(project: Project) -> None:
    project.write(MAILER)
    path = project.folder / "mailer.py"
    call = 'instrument_celery(app, "mailer"'
    path.write_text(path.read_text().replace(call, f'{call}, queues=("mail", "reports")'))
    worker = RunningWorker(project, ["celery", "-A", "mailer", "worker", "-Q", "mail"])
    project.run("-c", "import mailer; mailer.report.delay(); mailer.report.delay()")
    wait_until(lambda: samples(worker.metrics())['celery_queue_messages{queue="reports"}'] == 2)
    found = samples(worker.metrics())
    assert found['celery_queue_messages{queue="mail"}'] == 0
    assert found['celery_queue_oldest_message_age_seconds{queue="reports"}'] > 0
