"""The export of spans and log lines to an OTLP receiver.

Private: only this kit imports it, and any of it may change.

`lean_engine` is ours: `pipeline` owns its exporting thread and `signal_queue` what waits for it;
`otlp` encodes, with the primitives of `wire`; `transport` posts. `sdk_engine` is OpenTelemetry's,
with `sdk_exporters` around its exporters. Both use `resource`, which describes the process,
`counts`, `pending`, which counts without locks, and `failure_log`.
"""
