"""Write every log line as one JSON object with the ids of its trace."""

from .handler import (
    JsonHandler,
    capture_strays,
    configure_logging,
    flush_lines,
    log_extra,
    logging_config,
    say,
    write_line,
)

__all__ = [
    "JsonHandler",
    "capture_strays",
    "configure_logging",
    "flush_lines",
    "log_extra",
    "logging_config",
    "say",
    "write_line",
]
