"""SLOs as data, alert rules generated from them, and the tools that prove the rules."""
