"""What reports look like: one frame for every page, and charts as inline SVG."""
