"""From an SLO in slo.yaml to its recording rules, its alerts and their tests."""
