"""An export without a recipe: plans are listed, measured and tried, and the best one is exported."""
