"""Faults that are wrapped around the parts of the worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from service.faults.switchboard import Faults
from worker.faults import StuckHandler
from worker.tasks.delivery import Delivery

ORDER_ID = UUID(int=1)


@dataclass
class RecordingHandler:
    calls: list[str] = field(default_factory=list)

    def run(self, delivery):
        self.calls.append(f"run {delivery.task}")

    def adopt(self, task, order_id, payload):
        self.calls.append(f"adopt {task}")


def test_a_stuck_handler_hangs_until_the_fault_is_off_and_then_runs_the_delivery():
    handler = RecordingHandler()
    answers = [True, True, True, False]

    def faults():
        assert handler.calls == []
        return Faults(worker_stuck=answers.pop(0))

    StuckHandler(handler, faults).run(Delivery("fulfil_order", 1, 1, ORDER_ID, {}))
    assert answers == []
    assert handler.calls == ["run fulfil_order"]


def test_a_stuck_handler_passes_messages_without_a_row_on():
    handler = RecordingHandler()
    StuckHandler(handler, lambda: Faults(worker_stuck=True)).adopt("fulfil_order", ORDER_ID, {})
    assert handler.calls == ["adopt fulfil_order"]
