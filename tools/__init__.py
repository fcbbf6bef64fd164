"""Programs for people who work on this project: benchmarks, load, chaos, stand-ins."""
