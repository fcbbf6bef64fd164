"""The kit's spans keep the promises of OpenTelemetry's API."""

from __future__ import annotations

import threading

import pytest
from opentelemetry import context as context_api
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode, get_current_span, set_span_in_context

from observability.instrumentation import semconv
from observability.instrumentation._tracing.sampling import Decision, Sampler
from observability.instrumentation.propagation import TraceContext, parse_traceparent
from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.spans import client_span
from observability.instrumentation.testing import RecordedTelemetry, recorded_telemetry

UNSAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def test_children_share_the_trace_and_name_their_parent(telemetry: RecordedTelemetry) -> None:
    with telemetry.tracer.start_as_current_span("outer") as outer:
        with telemetry.tracer.start_as_current_span("inner", kind=SpanKind.CLIENT):
            pass
        assert get_current_span() is outer
    inner, outer = telemetry.spans
    assert isinstance(inner, ReadableSpan)
    assert inner.parent == outer.context
    assert inner.context.trace_id == outer.context.trace_id
    assert outer.start_time <= inner.start_time <= inner.end_time <= outer.end_time


def test_a_decorated_function_starts_a_new_span_in_each_call(telemetry: RecordedTelemetry) -> None:
    @telemetry.tracer.start_as_current_span("work")
    def work() -> bool:
        return get_current_span().is_recording()

    assert work()
    assert work()
    assert len({span.context.span_id for span in telemetry.spans}) == 2


def test_an_exception_marks_the_span_and_propagates(telemetry: RecordedTelemetry) -> None:
    def fail() -> None:
        with telemetry.tracer.start_as_current_span("work"):
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        fail()
    span = telemetry.span("work")
    assert span.status.status_code is StatusCode.ERROR
    assert span.events[0].attributes["exception.type"] == "ValueError"
    assert not get_current_span().is_recording()


def test_an_ended_span_is_immutable_and_exported_once(telemetry: RecordedTelemetry) -> None:
    span = telemetry.tracer.start_span("work")
    span.end()
    span.set_attribute("late", 1)
    span.update_name("late")
    span.add_event("late")
    span.set_status(StatusCode.ERROR)
    span.end()
    assert len(telemetry.spans) == 1
    assert (span.name, dict(span.attributes), list(span.events)) == ("work", {}, [])


def test_ok_is_final_and_unset_is_ignored(telemetry: RecordedTelemetry) -> None:
    span = telemetry.tracer.start_span("work")
    span.set_status(StatusCode.ERROR, "first")
    span.set_status(StatusCode.UNSET)
    assert span.status.description == "first"
    span.set_status(StatusCode.OK)
    span.set_status(StatusCode.ERROR, "late")
    assert span.status.status_code is StatusCode.OK


def test_attributes_and_events_are_bounded(telemetry: RecordedTelemetry) -> None:
    span = telemetry.tracer.start_span("work")
    span.set_attributes({f"key {number}": number for number in range(1000)})
    for _ in range(100):
        span.add_event("again")
    assert len(span.attributes) == 128
    assert len(span.events) == 32


def test_threads_make_spans_without_losing_any(telemetry: RecordedTelemetry) -> None:
    def work() -> None:
        for _ in range(200):
            with telemetry.tracer.start_as_current_span("work"):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({span.context.span_id for span in telemetry.spans}) == 800


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_a_ratio_samples_the_same_traces_as_the_sdks_sampler(ratio: float) -> None:
    settings = TelemetrySettings(sampler="parentbased_traceidratio", sampler_ratio=ratio)
    ours, theirs = Sampler(settings), TraceIdRatioBased(ratio)
    for number in range(2000):
        trace_id = (number * 0x9E3779B97F4A7C15_F39CC0605CEDC834 + 1) % (1 << 128)
        sampled = theirs.should_sample(None, trace_id, "x").decision.is_sampled()
        assert (ours.decide(trace_id, None) is Decision.SAMPLE) == sampled


@pytest.mark.parametrize(
    ("sampler", "parent", "exported"),
    [
        ("always_on", UNSAMPLED, 1),
        ("always_off", None, 0),
        ("parentbased_always_on", None, 1),
        ("parentbased_always_on", UNSAMPLED, 0),
        ("parentbased_always_off", UNSAMPLED[:-1] + "1", 1),
        ("parentbased_traceidratio", UNSAMPLED, 0),
    ],
)
def test_the_standard_samplers_decide_as_specified(
    engine: str, sampler: str, parent: str | None, exported: int
) -> None:
    with recorded_telemetry(engine=engine, sampler=sampler) as telemetry:
        with (
            TraceContext(parent).as_parent(),
            telemetry.tracer.start_as_current_span("work") as span,
        ):
            assert span.get_span_context().trace_flags & 1 == exported
        assert len(telemetry.spans) == exported


def test_a_trace_that_is_not_sampled_still_has_one_id_to_propagate(engine: str) -> None:
    with (
        recorded_telemetry(engine=engine, sampler="always_off") as telemetry,
        telemetry.tracer.start_as_current_span("outer") as outer,
        telemetry.tracer.start_as_current_span("inner") as inner,
    ):
        assert outer.get_span_context().is_valid
        assert outer.get_span_context().trace_id == inner.get_span_context().trace_id


def test_a_failed_watched_trace_is_exported_up_to_a_bound(engine: str) -> None:
    settings = {"sampler": "parentbased_traceidratio", "sampler_ratio": 0.0}
    with recorded_telemetry(engine=engine, **settings) as telemetry:
        with telemetry.tracer.start_as_current_span("root") as root:
            for _ in range(100):
                with telemetry.tracer.start_as_current_span("child"):
                    pass
            root.set_status(StatusCode.ERROR)
        names = [span.name for span in telemetry.spans]
        assert names == ["child"] * 64 + ["root"]
        ended = semconv.TELEMETRY_SPANS_ENDED
        assert telemetry.value(ended, sampled="true") == 65
        assert telemetry.value(ended, sampled="false") == 36


def test_a_call_without_a_current_span_makes_none(telemetry: RecordedTelemetry) -> None:
    with client_span(telemetry, "call") as span:
        assert not span.is_recording()
    assert telemetry.spans == []


def test_a_failing_call_records_the_class_of_its_error(telemetry: RecordedTelemetry) -> None:
    def call() -> None:
        with client_span(telemetry, "call", {"server.address": "mail"}):
            raise TimeoutError("slow")

    with telemetry.tracer.start_as_current_span("root"), pytest.raises(TimeoutError):
        call()
    span = telemetry.span("call")
    assert span.kind is SpanKind.CLIENT
    assert span.attributes["error.type"] == "TimeoutError"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
    ],
)
def test_an_invalid_traceparent_is_not_a_parent(header: str) -> None:
    assert parse_traceparent(header) is None


def test_the_known_part_of_a_later_traceparent_version_is_read() -> None:
    later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09-what-comes"
    assert parse_traceparent(later).trace_flags == 1


def test_a_trace_context_passes_through_headers_unchanged() -> None:
    for context in (TraceContext(UNSAMPLED, "vendor=1"), TraceContext(UNSAMPLED)):
        assert TraceContext.from_headers(context.to_headers()) == context


def test_outside_a_trace_no_headers_are_sent() -> None:
    assert TraceContext.current().to_headers() == {}


def test_a_span_of_another_provider_may_be_the_parent(telemetry: RecordedTelemetry) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    foreign = TracerProvider().get_tracer("x").start_span("foreign")
    token = context_api.attach(set_span_in_context(foreign))
    telemetry.tracer.start_span("ours").end()
    context_api.detach(token)
    assert telemetry.span("ours").parent.span_id == foreign.context.span_id
