"""Measuring quality: of models in PyTorch and of bundles as they are served, with the same metric code."""
