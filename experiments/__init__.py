"""Accuracy studies on real data; each module is one command that writes JSON."""
