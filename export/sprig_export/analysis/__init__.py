"""What a model's activations know of code, how much of that is said twice, and what an export may leave out."""
