"""The bundles of Sprig for Java. This package is data: it is located, never imported."""
