"""The local mode: the whole system on one machine without Docker, for developers and CI.

Nothing of the product imports it; tests and tools start its servers. Below it, `cli` imports
`supervisor` and `servers`; `console` imports `store`; neither pair imports the other.
"""
