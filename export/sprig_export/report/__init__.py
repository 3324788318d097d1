"""The layout of reports: one frame for every page, and charts as inline SVG."""
