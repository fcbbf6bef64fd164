"""Run and test the compose project on a machine that cannot pull images.

Tests and `tools.footprint` import `composed`, which reads the compose files without Docker.
"""
