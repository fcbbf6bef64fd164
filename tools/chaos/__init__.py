"""Kill processes at random under load and compare the books."""
