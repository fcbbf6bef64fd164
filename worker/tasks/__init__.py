"""The tasks, from message to outcome. `worker.app` and `worker.process` import them."""
