"""The servers that the local mode runs: their programs, command lines, configuration, plan.

Imported by `local.cli`; its programs and command lines also by `tools`, for the servers of tests.
It may import the settings, the state folder and the supervisor's plan.
"""
