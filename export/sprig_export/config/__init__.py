"""What a user asks of an export: recipes, requests, and how failures are told."""
