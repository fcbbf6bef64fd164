"""The module that Celery loads: `celery -A worker.main:app worker`.

The metrics folder is emptied when a worker starts, never on import, since `celery inspect` imports
this too.
"""

from __future__ import annotations

from observability.instrumentation.dependencies import bound_lookups
from service.settings import require_metrics_folder
from worker.app import create_celery
from worker.settings import WorkerSettings

settings = WorkerSettings.from_env_or_exit()
require_metrics_folder(settings.telemetry)
bound_lookups()
app = create_celery(settings)
