"""Summaries by a language model, for all languages of Sprig. This package is data: it is located, never imported."""
