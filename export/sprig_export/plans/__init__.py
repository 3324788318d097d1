"""Choosing what an export leaves of a model: plans are recipes, measured for what they cost and what they lose."""
