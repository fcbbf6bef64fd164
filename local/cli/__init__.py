"""The commands behind the Makefile: up, down, status, logs, load, render."""
