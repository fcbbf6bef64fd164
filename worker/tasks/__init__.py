"""What the tasks do, from a message to its outcome."""
