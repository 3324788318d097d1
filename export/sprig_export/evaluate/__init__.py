"""Measuring the quality of models in PyTorch and of bundles as served, with the same metric code."""
