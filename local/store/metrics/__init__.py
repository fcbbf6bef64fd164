"""Count spans as they arrive, under the names of Tempo's metrics generator."""
