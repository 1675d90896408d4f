"""Comparing a pruned network with its dense twin and with other runtimes."""
