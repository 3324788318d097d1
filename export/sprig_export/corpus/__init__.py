"""Making training pairs: packages by name and version, mined for documented functions."""
