"""Removing tokens that a model can do without: pure functions over the model's own sub-tokens."""
