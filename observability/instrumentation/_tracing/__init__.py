"""Spans at a third of the SDK's cost: the tracer provider, the sampler and the span.

Private: only this kit imports it, and any of it may change.
"""
