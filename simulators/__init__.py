"""The world that the system meets: its customers and its payment provider."""
