"""Answer searches, LogQL and TraceQL from the store."""
