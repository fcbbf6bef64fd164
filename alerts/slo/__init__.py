"""SLOs: from an entry of slo.yaml to its recording rules, its alerts and their tests.

The generator and the dashboards import it; it imports promrules, the links and the severities.
"""
