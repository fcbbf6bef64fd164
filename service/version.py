"""The version of the project: the only place where it is written."""

VERSION = "0.2.0"
