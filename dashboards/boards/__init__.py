"""The dashboards, one module each; only `dashboards.generate` imports them."""
