"""Leaving out tokens that a model does not need: pure functions over the model's own tokens."""
