"""Answer searches, LogQL and TraceQL from the store.

Imported by the console's API; it may import the store's rows, names and errors.
"""
