"""Sprig's exporter: from a code model to a bundle that the language server runs on the CPU."""
