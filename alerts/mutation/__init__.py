"""Damage alert rules and see whether their tests notice; needs only promrules."""
