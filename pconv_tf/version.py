"""The version, stated once: packaging reads it here."""

VERSION = "0.2.0"
