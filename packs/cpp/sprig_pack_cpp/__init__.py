"""The bundles of Sprig for C and C++. This package is data: it is located, never imported."""
