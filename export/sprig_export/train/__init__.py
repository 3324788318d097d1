"""The base models: recipes, tokenizer, data and training loop."""
