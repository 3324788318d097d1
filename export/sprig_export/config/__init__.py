"""The input of an export: recipes, requests, and the messages of failures."""
