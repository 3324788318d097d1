"""Exports without a recipe: listing, measuring and trying plans, and exporting the best one."""
