"""Find out how much the system takes."""
