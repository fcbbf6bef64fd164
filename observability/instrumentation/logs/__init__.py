"""Log lines as JSON objects with the ids of their trace, on standard output and over OTLP.

Import the names below; the modules beneath may change. `handler` writes and configures, `log_line`
turns a record into JSON, and `line_writer` writes bytes.
"""

from .handler import (
    JsonHandler,
    capture_warnings_and_errors,
    configure_console,
    configure_logging,
    flush_lines,
    log_extra,
    log_from_signal_handler,
    log_to_file,
    logging_config,
    write_line,
    writes_to_console,
)
from .redirected import log_prints
from .waiting_lines import WaitingLines

__all__ = [
    "JsonHandler",
    "WaitingLines",
    "capture_warnings_and_errors",
    "configure_console",
    "configure_logging",
    "flush_lines",
    "log_extra",
    "log_from_signal_handler",
    "log_prints",
    "log_to_file",
    "logging_config",
    "write_line",
    "writes_to_console",
]
