"""The version, stated once: packaging and MODULE.bazel's test read it here."""

VERSION = "0.2.0"
