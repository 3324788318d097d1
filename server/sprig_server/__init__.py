"""Sprig's language server: semantic code search and hover summaries on the CPU, offline."""

__version__ = "0.1.0"
