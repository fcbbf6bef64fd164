"""Two rooms: import `instrumentation`, mount `stack`."""
