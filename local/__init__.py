"""The same system on one machine without Docker: supervisor, binaries, telemetry store, console."""
