"""The doctor: is everything that the kit needs there, and does it work?

Private: `python -m telemetry doctor` runs it. `environment` checks settings, folder, ports and
receiver, `exposed` what is served and scraped, `program` the app itself, and `command` prints.
"""
