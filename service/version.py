"""The version of the project; a test holds that of the kit's distribution to it."""

VERSION = "0.2.0"
