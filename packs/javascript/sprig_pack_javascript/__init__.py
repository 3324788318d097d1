"""The bundles of Sprig for JavaScript and TypeScript. This package is data: it is located, never imported."""
