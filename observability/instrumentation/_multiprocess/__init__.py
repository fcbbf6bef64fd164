"""Metrics of several processes: shared files, forks, liveness; imported by this kit only."""
