"""Keep traces, logs and mails in one SQLite file, and count spans as they arrive.

The local mode's replacement for Tempo and Loki: it takes OTLP/HTTP and answers in milliseconds
with a hundred thousand spans and lines in it. Imported by `local.console` only; it imports
nothing else of `local`.
"""
