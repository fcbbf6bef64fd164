"""Ask the data sources whether every panel of a dashboard has data; for dashboards of anyone."""
