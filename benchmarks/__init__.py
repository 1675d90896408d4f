"""Measurements behind docs/results.md; run from a checkout, not part of the package."""
