"""`python -m telemetry doctor`, where `telemetry` is the name of this kit."""

from ._doctor.command import main

main(prog_name=f"python -m {__package__}")
