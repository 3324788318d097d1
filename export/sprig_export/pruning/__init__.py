"""What is taken out of a model: vocabulary, layers, heads, units, or single weights; and how it recovers."""
