"""The whole way on real data in a few minutes: train, prune, convert, run, compare.

Uses the rest of the package only through its public names, as a user would.
"""

EPOCH_IMAGES = 14_000  # of training, unless the user says otherwise: a few minutes on two cores
