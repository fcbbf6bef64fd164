"""Count spans as they arrive, under the names of Tempo's metrics generator.

Imported by the store; its `exposition` also by the console.
"""
