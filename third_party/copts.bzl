"""Compiler options of every target of this project (external sources are compiled without them)."""

PCONV_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-missing-field-initializers",  # aggregates with default member values are the norm here
]
