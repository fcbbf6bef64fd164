"""Damage alert rules and see whether their tests notice.

It imports only the package `promrules`, so `cp -r` of both folders takes it along. A program, not
a library: only tests import it. See README.md.
"""
