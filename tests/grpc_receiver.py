"""An OTLP receiver over gRPC that prints what it receives: `python -m tests.grpc_receiver PORT`.

A program of its own: grpc must not be loaded in a process that forks, as the tests do.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


class Traces:
    def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the service's name
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    print("span", span.name, flush=True)
        return trace_service_pb2.ExportTraceServiceResponse()


class Logs:
    def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the service's name
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    print("line", record.body.string_value, flush=True)
        return logs_service_pb2.ExportLogsServiceResponse()


def main() -> None:
    # One thread, so that lines do not mix.
    server = grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
