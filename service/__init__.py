"""The order API: the domain on top, HTTP in front, PostgreSQL and Redis behind.

The worker, the simulators and the local mode may import it; it imports the kit.
"""
