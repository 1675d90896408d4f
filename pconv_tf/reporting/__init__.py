"""The page that shows what pruning did to a model."""
