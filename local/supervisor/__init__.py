"""Run a plan of processes, and start again what dies; knows nothing of orders."""
