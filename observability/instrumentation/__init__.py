"""The instrumentation kit: copy this folder anywhere, under any name."""
