"""The bundles of Sprig for Python. This package is data: it is located, never imported."""
