"""Removing vocabulary, layers, heads, units or single weights from a model, and recovering afterwards."""
