"""Trimming: which tokens of a function a model does not need; learning, choosing and measuring it."""
