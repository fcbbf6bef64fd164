"""Answer a scrape in the format of its Accept header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

if TYPE_CHECKING:
    from local.store.store import Store


class Exposition:
    """The store's metrics, as Prometheus text or as OpenMetrics with exemplars."""

    def __init__(self, store: Store) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(store)

    def scrape(self, accept: str) -> tuple[str, bytes]:
        """Return the content type and the body for an Accept header."""
        encoder, content_type = choose_encoder(accept)
        return content_type, encoder(self._registry)
