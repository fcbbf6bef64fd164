"""Switch faults on and off: `python -m service.faults list | set NAME VALUE | clear [NAME]`."""

from __future__ import annotations

import sys

from observability.instrumentation.settings import SettingsError
from service.faults.switchboard import main
from service.settings import exit_for, faults_file_from_env

try:
    sys.exit(main(sys.argv[1:], faults_file_from_env()))
except SettingsError as bad:
    exit_for(bad)
except ValueError as bad_value:
    sys.stderr.write(f"{bad_value}\n")
    sys.exit(2)
