"""What is read when the worker or the relay is scraped."""
