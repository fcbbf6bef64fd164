"""Switch faults on and off: `python -m service.faults list | set NAME VALUE | clear [NAME]`."""

from __future__ import annotations

import sys

from observability.instrumentation.environment import SettingsError, exit_for
from service.faults.switchboard import main
from service.settings import FaultsCommandSettings

try:
    sys.exit(main(sys.argv[1:], FaultsCommandSettings.from_env().path()))
except SettingsError as bad:
    exit_for(bad)
except ValueError as bad_value:
    sys.stderr.write(f"{bad_value}\n")
    sys.exit(2)
