"""What a model's activations contain about code, how redundant they are, and what an export may remove."""
