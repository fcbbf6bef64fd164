"""Measure how long an outage lasts before its alert fires, with promtool as the clock."""
