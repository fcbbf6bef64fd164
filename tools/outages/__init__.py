"""Outages of every dependency in every way of failing, measured on a local system."""
