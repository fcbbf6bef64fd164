"""SLOs as data, the alert rules generated from them, and the tools that test the rules.

The dashboards and the local mode may import it; it imports the two semconv modules.
"""
