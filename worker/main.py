"""What Celery loads: `celery -A worker.main:app worker`.

Its metrics folder is wiped when a worker starts, never on import, since `celery inspect` imports
this too.
"""

from __future__ import annotations

from observability.instrumentation.settings import SettingsError
from service.settings import Settings, exit_for
from worker.app import create_celery

settings = Settings.from_env_or_exit(user="orders_worker")
if settings.telemetry.multiproc_dir is None:
    exit_for(SettingsError(("PROMETHEUS_MULTIPROC_DIR: expected a folder of this worker's own",)))
app = create_celery(settings)
