"""The command behind the Makefile: `python -m local up|down|status|logs|load|render`."""

from __future__ import annotations

import sys

from local.cli.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
