"""Alerts that are not SLOs: a module for each part of the system.

The generator and the dashboards import it; it imports promrules, the links and the semconv modules.
"""
