"""Run a plan of processes and restart what dies.

Independent of orders; imports only its own modules and click, so that it can be copied alone, under
any name. Imported by `local.servers`, which writes plans, and by `local.cli`.
"""
