"""Read, write, check and test Prometheus rule files; stands alone, for rules of anyone."""
