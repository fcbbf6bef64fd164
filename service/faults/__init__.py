"""Fault injection for drills. Only the modules that build a program may import this."""
