"""Send generated requests to the API."""
