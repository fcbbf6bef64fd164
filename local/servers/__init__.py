"""The programs that the local mode runs: where they are, how they start, what they are told."""
