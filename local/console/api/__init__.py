"""What the console's pages and dashboards ask over HTTP."""
