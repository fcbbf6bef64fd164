"""Start the console and run until TERM or INT."""

from __future__ import annotations

import json
import signal
import sys
import threading

from local.console.server import Console, PortTakenError
from local.console.settings import ConsoleSettings
from observability.instrumentation.environment import SettingsError


def main() -> int:
    """Run the console.

    Returns:
        Exit code: 0 ended by a signal, 1 a port is taken, 2 bad settings.
    """
    try:
        settings = ConsoleSettings.from_env()
        console = Console(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except PortTakenError as error:
        print(f"port taken: {error}", file=sys.stderr)
        return 1
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ports = {
        "pages": console.pages_port,
        "otlp": console.otlp_port,
        "mail": console.mail_port,
        "smtp": console.smtp_port,
    }
    print(json.dumps({"event": "listening", **ports}), flush=True)
    ended.wait()
    console.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
