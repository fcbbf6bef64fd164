"""Send generated requests to the API and to the console."""
