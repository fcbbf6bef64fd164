"""Break things on purpose; production modules know nothing of it."""
