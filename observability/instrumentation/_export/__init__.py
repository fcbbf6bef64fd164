"""The export of spans and log lines to an OTLP receiver.

Private: only this kit imports it, and any of it may change.

`pipeline` owns the exporting thread and `signal_queue` what waits for it; `otlp` encodes, with the
primitives of `wire`; `transport` posts, or `contrib_exporter` does both; `resource` describes the
process, and `pending` counts without locks.
"""
