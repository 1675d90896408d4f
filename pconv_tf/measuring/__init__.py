"""Measuring how fast a .tflite file runs: as a whole, by operator, by rate of pruning."""
